"""A contract held against a table: pandera schema, structure, broken rows, cleaning. Ibis only."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pandera.ibis as pa
from pandera.errors import SchemaError, SchemaErrors

from fin_kedro.contracts.model import Column, Comparison, Contract, ContractError
from fin_kedro.contracts.own_names import own_name
from fin_kedro.contracts.reading import read_contract

_FAMILIES: dict[str, tuple[type, ...]] = {
    "integer": (ibis.expr.datatypes.Integer, ibis.expr.datatypes.Floating),
    "number": (ibis.expr.datatypes.Numeric,),
    "string": (ibis.expr.datatypes.String,),
    "boolean": (ibis.expr.datatypes.Boolean,),
    "date": (ibis.expr.datatypes.Date, ibis.expr.datatypes.Timestamp),
    "timestamp": (ibis.expr.datatypes.Timestamp, ibis.expr.datatypes.Date),
}
_COMPARE = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_LONG_LIST = 64  # codes: compared one by one up to here, looked up beyond
_CANONICAL = {"integer": "int64", "number": "float64"}


class ContractValidator:
    """Kedro catalog validator made from a contract.

    Args:
        contract: path of the contract file.
        rows: also check every row (for data already cleaned of broken rows); otherwise the
            structure only: columns, types and the values of the target.
    """

    def __init__(self, *, contract: str, rows: bool = False) -> None:
        self._contract = read_contract(contract)
        self._rows = rows

    def validate(self, data: ir.Table) -> ir.Table:
        """Return the table, or raise `ContractError` that names column, value, allowed, line."""
        check_structure(self._contract, data)
        if self._rows:
            check_rows(self._contract, data)
        return data


def check_structure(contract: Contract, table: ir.Table) -> None:
    """Refuse a table whose columns, types or target values are not the contract's."""
    if not table.count().execute():
        raise ContractError(f"{contract.name}: the table has no rows. Check the delivery.")
    schema = pandera_schema(contract, table, rows=False)
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as errors:
        raise ContractError(_explain(contract, table, errors)) from errors
    if contract.has_target:
        _check_target(contract, table)


def check_rows(contract: Contract, table: ir.Table) -> None:
    """Refuse a table in which any row breaks a rule; `split_rows` gives the good ones."""
    try:
        pandera_schema(contract, table, rows=True).validate(table)
    except SchemaError as error:
        broken = split_rows(contract, table)[1]
        told = (contract.id.name, _reason_name(contract))
        sample = broken.order_by(contract.id.name).limit(3).select(*told).execute()
        found = "; ".join(
            f"{contract.id.name} {i}: {reason}" for i, reason in sample.itertuples(index=False)
        )
        raise ContractError(
            f"{contract.name}: {broken.count().execute()} rows break the contract "
            f"{contract.path}, e.g. {found}. Only rows that passed the quarantine belong here: run "
            "the pipeline from its first node."
        ) from error


def pandera_schema(contract: Contract, table: ir.Table, *, rows: bool) -> pa.DataFrameSchema:
    """Build the pandera schema (Ibis backend) of a table under a contract.

    A column may come in any type of its family (an integer in int16, say); the family's canonical
    type is asked for where the table's own is outside of it. All row rules are one expression,
    as pandera joins the table to itself once per rule (22 s instead of .3 s on 30,000 rows).
    """
    present = table.schema()
    columns = {
        c.name: pa.Column(_expected_type(c, present.get(c.name)), nullable=True, required=True)
        for c in contract.columns.values()
    }
    whole = pa.Check(lambda data: split_rows(contract, data.table)[1].count() == 0, name="rows")
    return pa.DataFrameSchema(
        columns, checks=[whole] if rows else None, strict=False, name=contract.name
    )


def split_rows(contract: Contract, table: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Part a table into accepted rows and broken ones; the latter with their ``reason``.

    Where the contract has a column of that name, ours is called ``fin_kedro__reason``.
    """
    known = table.select(*contract.columns)
    reasons = _reasons(contract, known)
    broken = _joined(operator.or_, [condition for condition, _ in reasons]).fill_null(False)
    # Texts are made of broken rows alone: of all rows they cost more than all the rest.
    return known.filter(~broken), known.filter(broken).mutate(
        _all_texts(reasons).name(_reason_name(contract))
    )


def _reason_name(contract: Contract) -> str:
    return own_name("reason", contract.columns)


def clean(contract: Contract, table: ir.Table) -> ir.Table:
    """Apply the contract's reading rules: codes that mean missing become NULL, recodes happen."""
    # By position: a column may be called as an argument of Ibis is.
    cleaned = (clean_column(c, table).name(c.name) for c in contract.columns.values())
    return table.mutate(*cleaned)


def clean_column(column: Column, table: ir.Table) -> ir.Value:
    """Return one column under its reading rule (the same expression runs inside ONNX)."""
    value = table[column.name]
    if column.type == "string":
        value = value.nullif("")  # as in ONNX, where an empty string is a missing one
    for code in column.missing_codes:
        value = value.nullif(ibis.literal(code, type=value.type()))
    if not column.recode:
        return value
    branches = [
        (value == code, ibis.literal(to, type=value.type())) for code, to in column.recode.items()
    ]
    return ibis.cases(*branches, else_=value)


def _expected_type(column: Column, present: Any) -> Any:
    if isinstance(present, _FAMILIES[column.type]):
        return present
    return ibis.dtype(_CANONICAL.get(column.type, column.type))


_Reason = tuple[ir.BooleanValue, ir.StringValue]  # broken where true (not NULL), and what it says


def _reasons(contract: Contract, table: ir.Table) -> list[_Reason]:
    """Every rule of the contract: where a row breaks it, and the text that says so."""
    key = contract.id.name
    return [
        *(reason for c in contract.columns.values() for reason in _column_reasons(c, table)),
        *(_comparison_reason(rule, table) for rule in contract.comparisons),
        (_not_unique(key, table), ibis.literal(f"{key} is not unique")),
    ]


def _all_texts(reasons: Sequence[_Reason]) -> ir.StringValue:
    """One text of all rules that a row breaks. A list: a chain of 2,000 additions is too deep."""
    nothing = ibis.null("string")
    return ibis.array([broken.ifelse(text, nothing) for broken, text in reasons]).join("; ")


def _joined(operation: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """Join many values in pairs, and the pairs again: 2,000 columns are 12 levels deep, not 2,000.

    Each library on the way (Ibis, sqlglot, the engine's parser) goes down an expression by
    recursion, and works on a chain in quadratic time.
    """
    while len(parts) > 1:
        pairs = itertools.zip_longest(parts[::2], parts[1::2])
        parts = [left if right is None else operation(left, right) for left, right in pairs]
    return parts[0]


def _not_unique(key: str, table: ir.Table) -> ir.BooleanValue:
    """Whether another row has the same id. Not a window: that would sort the table's full width."""
    several = table.group_by(key).having(table[key].count() > 1).agg()
    return table[key].isin(several[key])


def _column_reasons(column: Column, table: ir.Table) -> list[_Reason]:
    value = table[column.name]
    reasons: list[_Reason] = []
    if column.required:
        reasons.append((value.isnull(), ibis.literal(f"{column.name} is missing")))
    rules = (_broken_range(column, value), _not_a_number(column, value))
    broken = [rule for rule in rules if rule is not None]
    text = (
        ibis.literal(f"{column.name}: ")
        + value.cast("string")
        + f" is not allowed ({column.allowed_text()})"
    )
    if broken:
        reasons.append((functools.reduce(operator.or_, broken), text))
    return reasons


def _comparison_reason(rule: Comparison, table: ir.Table) -> _Reason:
    """A rule between two columns; where a value is missing, that is told by itself."""
    holds = _COMPARE[rule.sign](table[rule.left], table[rule.right])
    return ~holds, ibis.literal(f"{rule} does not hold")


def _broken_range(column: Column, value: Any) -> ir.BooleanValue | None:
    if column.allowed:
        return ~_among(value, column.codes)
    rules = []
    if column.minimum is not None:
        rules.append(value < column.minimum)
    if column.maximum is not None:
        rules.append(value > column.maximum)
    if not rules:
        return None
    outside = functools.reduce(operator.or_, rules)
    return outside & ~_among(value, column.codes) if column.codes else outside


def _among(value: Any, codes: Sequence[Any]) -> ir.BooleanValue:
    """Whether a value is one of these codes.

    DuckDB turns each list of more than four into a join that carries the whole row: quick for one
    long list, quadratic for a list in each of many columns. So short lists go in pieces.
    """
    codes, at_once = list(codes), 4
    if len(codes) > _LONG_LIST:
        return value.isin(codes)
    starts = range(0, len(codes), at_once)
    return _joined(operator.or_, [value.isin(codes[i : i + at_once]) for i in starts])


def _not_a_number(column: Column, value: Any) -> ir.BooleanValue | None:
    """Floats may hold NaN, infinities and fractions: the first two are never allowed."""
    if not value.type().is_floating():
        return None
    strange = value.isnan() | value.isinf()
    # Not floor(): DuckDB's makes a 64-bit integer, and fails on what does not fit.
    return strange | (value % 1 != 0) if column.type == "integer" else strange


def _check_target(contract: Contract, table: ir.Table) -> None:
    target = contract.target
    if not target.allowed:
        return
    value = table[target.name]
    unknown = table.filter(value.notnull() & ~value.isin(list(target.codes)))
    found = (
        unknown.group_by(value).agg(rows=ibis._.count()).order_by(target.name).limit(5).execute()
    )
    if len(found):
        text = ", ".join(
            f"{v!r} ({n} rows)"
            for v, n in zip(found[target.name].tolist(), found["rows"].tolist(), strict=True)
        )
        raise ContractError(
            f"{contract.name}, column {target.name}: unknown target value {text}; "
            f"allowed: {target.allowed_text()}. An outcome is never guessed: correct the data, or "
            f"the rule at {contract.where(target.name)}."
        )
    present = table.filter(value.notnull()).select(target.name).distinct().limit(2).execute()
    if len(present) < 2:
        only = present[target.name].tolist()[0] if len(present) else None
        raise ContractError(
            f"{contract.name}, column {target.name}: every row has only {only!r}; a model learns "
            f"from both outcomes, {contract.event!r} (bad) and another ({target.allowed_text()}; "
            f"{contract.where(target.name)}). Check the delivery."
        )


def _offender(column: Column, table: ir.Table) -> Any:
    """Return one value that cannot be read as the column's type (or any, if all can)."""
    value = table[column.name]
    present = table.filter(value.notnull())
    if value.type().is_string() and column.is_number:
        unreadable = present.filter(value.try_cast("float64").isnull())
        present = unreadable if unreadable.count().execute() else present
    found = present.select(column.name).limit(1).execute()[column.name].tolist()
    return found[0] if found else None


def _explain(contract: Contract, table: ir.Table, errors: SchemaErrors) -> str:
    """Turn pandera's structural findings into sentences with line, value and next step."""
    present = table.schema()
    sentences = []
    for column in contract.columns.values():
        where = contract.where(column.name)
        if column.name not in present:
            sentences.append(f"column {column.name} is missing (stated at {where})")
        elif not isinstance(present[column.name], _FAMILIES[column.type]):
            sentences.append(
                f"column {column.name} is of type {present[column.name]}, "
                f"e.g. {_offender(column, table)!r}; "
                f"allowed: {column.type} (stated at {where})"
            )
    found = "; ".join(sentences) or str(errors)
    return (
        f"{contract.name} does not follow its contract: {found}. The table has the columns "
        f"{', '.join(present)}. Correct the data, or point its catalog entry and "
        "contract at each other."
    )
