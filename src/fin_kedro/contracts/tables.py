"""A contract held against a table: pandera schema, structure, broken rows, cleaning. Ibis only."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pandera.ibis as pa
from pandera.errors import SchemaError, SchemaErrors

from fin_kedro.contracts.model import Column, Comparison, Contract, ContractError
from fin_kedro.contracts.own_names import own_name
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.table_rules import (
    broken,
    is_missing,
    joined,
    plain_texts,
    read_value,
    stated,
)

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
        told = (contract.id.name, own_name("reason", contract.columns))
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
    known = plain_texts(contract, table.select(*contract.columns))
    rules = rules_of(contract, known)
    broken = joined(operator.or_, [rule.broken for rule in rules]).fill_null(False)
    # Texts are made of broken rows alone: of all rows they cost more than all the rest.
    return known.filter(~broken), known.filter(broken).mutate(
        _all_texts(rules).name(own_name("reason", contract.columns))
    )


def clean(contract: Contract, table: ir.Table) -> ir.Table:
    """Apply the contract's reading rules: codes that mean missing become NULL, recodes happen."""
    # By position: a column may be called as an argument of Ibis is.
    cleaned = (clean_column(c, table).name(c.name) for c in contract.columns.values())
    return table.mutate(*cleaned)


def clean_column(column: Column, table: ir.Table) -> ir.Value:
    """Return one column under its reading rule (the same expression runs inside ONNX)."""
    value = table[column.name]
    value = _wide_enough(column, read_value(column, value))
    for code in column.missing_codes:
        value = value.nullif(_literal(column, code, value))
    if not column.recode:
        return value
    branches = [
        (value == _literal(column, code, value), _literal(column, to, value))
        for code, to in column.recode.items()
    ]
    return ibis.cases(*branches, else_=value)


def _wide_enough(column: Column, value: Any) -> Any:
    """A code may not fit the bits that a file keeps (-999 in eight); then they are widened."""
    type_ = value.type()
    if not type_.is_integer():
        return value
    codes = (*column.missing_codes, *column.recode, *column.recode.values())
    fits = all(type_.bounds.lower <= code <= type_.bounds.upper for code in codes)
    return value if fits else value.cast("int64")


def _literal(column: Column, code: Any, value: Any) -> ir.Value:
    if column.type in ("date", "timestamp"):
        return stated(column, code, value)
    return ibis.literal(code, type=value.type())


def _fits(column: Column, present: Any) -> bool:
    """Whether a type is of the column's family; an integer id may be kept digit by digit."""
    as_text = column.role == "id" and column.type == "integer" and present.is_string()
    return as_text or isinstance(present, _FAMILIES[column.type])


def _expected_type(column: Column, present: Any) -> Any:
    if present is not None and _fits(column, present):
        return present
    return ibis.dtype(_CANONICAL.get(column.type, column.type))


@dataclass(frozen=True)
class Rule:
    """One rule of a contract over the rows of a table.

    ``broken`` is true where a row breaks it (false or NULL elsewhere), ``reason`` the text that
    then says so, ``column`` and ``told`` are the column and the rule in words.
    """

    column: str
    told: str
    broken: ir.BooleanValue
    reason: ir.StringValue


def rules_of(contract: Contract, table: ir.Table) -> list[Rule]:
    """Every rule of the contract over a table that has its columns, in the contract's order."""
    key = contract.id.name
    return [
        *(rule for c in contract.columns.values() for rule in _column_rules(c, table)),
        *(_comparison_rule(rule, table) for rule in contract.comparisons),
        _unique_rule(key, table[key], table),
    ]


def _all_texts(rules: Sequence[Rule]) -> ir.StringValue:
    """One text of all rules that a row breaks. A list: a chain of 2,000 additions is too deep."""
    nothing = ibis.null("string")
    return ibis.array([rule.broken.ifelse(rule.reason, nothing) for rule in rules]).join("; ")


def _unique_rule(name: str, value: ir.Value, table: ir.Table) -> Rule:
    said = ibis.literal(f"{name} is not unique")
    return Rule(name, "unique", _not_unique(value, table), said)


def _not_unique(value: ir.Value, table: ir.Table) -> ir.BooleanValue:
    """Whether another row has the same value; missing ones are not compared.

    Not a window: that would sort the table's full width.
    """
    values = table.select(value=value)
    several = values.group_by("value").having(values["value"].count() > 1).agg()
    return value.isin(several["value"])


def _column_rules(column: Column, table: ir.Table) -> list[Rule]:
    name, value = column.name, table[column.name]
    rules: list[Rule] = []
    if column.required:
        said = ibis.literal(f"{name} is missing")
        rules.append(Rule(name, "required", is_missing(column, value), said))
    if (wrong := broken(column, value)) is not None:
        allowed = column.allowed_text()
        said = ibis.literal(f"{name}: ") + value.cast("string") + f" is not allowed ({allowed})"
        rules.append(Rule(name, f"allowed: {allowed}", wrong, said))
    if column.unique:
        rules.append(_unique_rule(name, clean_column(column, table), table))
    return rules


def _comparison_rule(rule: Comparison, table: ir.Table) -> Rule:
    """A rule between two columns; where a value is missing, that is told by itself."""
    holds = _COMPARE[rule.sign](table[rule.left], table[rule.right])
    return Rule(rule.left, str(rule), ~holds, ibis.literal(f"{rule} does not hold"))


def _check_target(contract: Contract, table: ir.Table) -> None:
    target = contract.target
    raw = table[target.name]
    present = table.filter(~is_missing(target, raw))
    where = contract.where(target.name)
    if target.allowed:
        codes = [stated(target, code, raw) for code in target.codes]
        unknown = _counted(present.filter(~raw.isin(codes)), target.name)
        if unknown:
            raise ContractError(
                f"{contract.name}, column {target.name}: unknown target value "
                f"{_in_words(unknown)}; allowed: {target.allowed_text()}. An outcome "
                f"is never guessed: correct the data, or the rule at {where}."
            )
    outcomes = present.select(**{target.name: clean_column(target, present)})
    found = _counted(
        outcomes.filter(outcomes[target.name].notnull()), target.name, 5 + len(target.allowed)
    )
    if not target.allowed and len(found) > 2:
        raise ContractError(
            f"{contract.name}, column {target.name}: more than two outcomes: {_in_words(found)}. "
            f"An outcome is never guessed: state at {where} by an `enum` which values there are "
            f"(all but {contract.event!r} count as good), or as `missingCodes` those that mean "
            "not yet known."
        )
    if len(found) < 2 or contract.event not in [value for value, _ in found]:
        only = found[0][0] if len(found) == 1 else None
        had = f"only {only!r}" if len(found) < 2 else _in_words(found)
        raise ContractError(
            f"{contract.name}, column {target.name}: every row has {had}; a model learns "
            f"from both outcomes, {contract.event!r} (bad) and another ({target.allowed_text()}; "
            f"{where}). Check the delivery."
        )


def _counted(table: ir.Table, name: str, most: int = 5) -> list[tuple[Any, int]]:
    """The first values of a column with their rows."""
    found = table.group_by(name).agg(rows=ibis._.count()).order_by(name).limit(most).execute()
    return list(zip(found[name].tolist(), found["rows"].tolist(), strict=True))


def _in_words(found: list[tuple[Any, int]]) -> str:
    return ", ".join(f"{value!r} ({rows} rows)" for value, rows in found)


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
            called = f", called {column.physical_name} in the file," if column.physical_name else ""
            sentences.append(f"column {column.name}{called} is missing (stated at {where})")
        elif not _fits(column, present[column.name]):
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
