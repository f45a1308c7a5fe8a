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
    """Add the id that the contract has made, if it has one, to a delivered table.

    Whatever types a file keeps its values in, the id is the same: see `_text`. A table that lacks
    a column the id is made of stays as it is; its missing columns are told by its structure.

    Raises:
        ContractError: the engine keeps no order of rows, or writes numbers in another way.
    """
    column = next((c for c in contract.columns.values() if c.made), None)
    if column is None or not set(column.made_from) <= set(table.columns):
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
    values = [_text(contract.columns[n], table[n]) for n in names if n in table.columns]
    if not values:  # nothing of the contract is there, which the table's structure tells
        return ibis.null("string")
    digest = _composed([value.nullif("") for value in values]).hexdigest("sha256")
    digest = digest.substr(0, 20)
    place = ibis.row_number().over(ibis.window(group_by=digest))
    return digest + (place > 0).ifelse("-" + (place + 1).cast("string"), "")


def _key(contract: Contract, column: Column, table: ir.Table) -> ir.Value:
    parts = [_text(contract.columns[name], table[name]) for name in column.made_from]
    texts = [part.replace("\\", "\\\\").replace("|", "\\|") for part in parts]
    return _joined(texts, "|")


def _text(column: Column, value: Any) -> Any:
    """A value as a text of its column's type: a file may keep 5 as 5.0, or a day as a time.

    What is not of the column's type (1.5 in an integer) keeps its own text, so that it is not taken
    for its neighbour; the rules of the contract tell it.
    """
    kind, text = value.type(), value.cast("string")
    if column.type == "integer" and (kind.is_floating() or kind.is_decimal()):
        whole = value.cast("float64")
        # not floor(), which makes a 64-bit integer and fails on what does not fit
        fits = (whole % 1 == 0) & (whole.abs() < 2.0**63)
        return fits.ifelse(value.try_cast("int64").cast("string"), text)
    if column.type == "number" and kind.is_numeric() and not kind.is_float32():
        return value.cast("float64").cast("string")
    if column.type == "date" and kind.is_timestamp():
        return value.date().cast("string")
    if column.type == "timestamp" and kind.is_timestamp():
        return value.cast("timestamp").cast("string")
    return text


def _composed(texts: Sequence[Any]) -> ir.StringValue:
    """All texts in one, each behind its length, so that no two rows have the same by chance.

    A missing value has no length.
    """
    parts = [t.length().cast("string").fill_null("-") + ":" + t.fill_null("") for t in texts]
    return _joined(parts, "")


def _joined(texts: Sequence[Any], mark: str) -> ir.StringValue:
    return ibis.array(list(texts)).join(mark)


_MAKE = {"row": _row, "content": _content, "key": _key}
