"""Ids that a contract has made where no column of the file tells rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from fin_kedro.contracts.column import Column, ContractError
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.own_names import own_name

WAYS = ("row", "content")
_NAMES = {"row": "row_number", "content": "content_id", "key": "key"}


def made_id(way: str, columns: Sequence[Column], of: Sequence[str] = ()) -> Column:
    """Return the id column that is made beside these columns.

    Args:
        way: ``row``: the row's number in the file, from 1 on. ``content``: a digest of all its
            values, and which of the rows with the same it is. ``key``: one text of several columns.
        columns: those of the contract.
        of: what a ``key`` is made of.
    """
    whole = way == "row"
    told = {
        "row": "The row's number in the file.",
        "content": "A digest of the row's values; rows with the same values are numbered.",
        "key": f"{', '.join(of)} in one text.",
    }
    return Column(
        name=own_name(_NAMES[way], (c.name for c in columns)),
        type="integer" if whole else "string",
        role="id",
        description=told[way],
        made=way,
        made_from=tuple(of),
    )


def with_made_id(contract: Contract, table: ir.Table) -> ir.Table:
    """Add the id that the contract has made, if it has one, to a table in the contract's types.

    Raises:
        ContractError: the engine keeps no order of rows, or writes numbers in another way.
    """
    column = next((c for c in contract.columns.values() if c.made), None)
    if column is None:
        return table
    if column.made != "key" and table.get_backend().name != "duckdb":
        raise ContractError(
            f"{contract.path}: id: {column.made} is made on DuckDB only; deliver an id, or give "
            "the role id to the columns that tell rows apart."
        )
    return table.mutate(_MAKE[column.made](contract, column, table).name(column.name))


def _row(contract: Contract, column: Column, table: ir.Table) -> ir.Value:  # noqa: ARG001
    """DuckDB numbers rows without an order in that of the file."""
    return ibis.row_number() + 1


def _content(contract: Contract, column: Column, table: ir.Table) -> ir.Value:
    names = [c.name for c in contract.columns.values() if c is not column]
    digest = _composed([table[n] for n in names if n in table.columns]).hexdigest("sha256")
    digest = digest.substr(0, 20)
    place = ibis.row_number().over(ibis.window(group_by=digest))
    return digest + (place > 0).ifelse("-" + (place + 1).cast("string"), "")


def _key(contract: Contract, column: Column, table: ir.Table) -> ir.Value:  # noqa: ARG001
    parts = [table[name] for name in column.made_from if name in table.columns]
    texts = [p.cast("string").replace("\\", "\\\\").replace("|", "\\|") for p in parts]
    return _joined(texts, "|")


def _composed(values: Sequence[Any]) -> ir.StringValue:
    """All values in one text, each behind its length, so that no two rows have the same by chance.

    A missing value is no empty text.
    """
    texts = [value.cast("string") for value in values]
    parts = [t.length().cast("string").fill_null("-") + ":" + t.fill_null("") for t in texts]
    return _joined(parts, "")


def _joined(texts: Sequence[Any], mark: str) -> ir.StringValue:
    return ibis.array(list(texts)).join(mark)


_MAKE = {"row": _row, "content": _content, "key": _key}
