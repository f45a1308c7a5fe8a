"""The rules of one column as expressions over a table. Ibis only."""

from __future__ import annotations

import functools
import itertools
import operator
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from fin_kedro.contracts.column import MULTIPLE_TOLERANCE, Column, moment
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.patterns import common_pattern

SINGLE_TOLERANCE = 2.4e-7  # as `MULTIPLE_TOLERANCE`, for numbers of 32 bits


def read_value(column: Column, value: Any) -> Any:
    """Return a raw value as the rules take it: of a text, an empty one is a missing one."""
    if column.type == "string" and value.type().is_string():
        value = value.nullif("")  # as in ONNX, where an empty string is a missing one
    return value


@ibis.udf.scalar.builtin(name="nfc_normalize", signature=(("string",), "string"))
def _composed(text: Any) -> Any:
    """DuckDB's: a text in Unicode's composed form."""


@ibis.udf.scalar.python(signature=(("string",), "string"))
def _composed_elsewhere(text: Any) -> Any:
    """The same on an engine that has no such function, such as Spark: text by text."""
    return None if text is None else unicodedata.normalize("NFC", text)


def plain_texts(contract: Contract, table: ir.Table) -> ir.Table:
    """The table with its texts as `column.plain_text` has them; an id stays as it is."""
    names = [c.name for c in contract.columns.values() if c.type == "string" and c.role != "id"]
    names = [name for name in names if table[name].type().is_string()]
    if not names:
        return table
    duckdb = ibis.get_backend(table).name == "duckdb"
    composed = _composed if duckdb else _composed_elsewhere
    return table.mutate(*(composed(table[name]).strip().name(name) for name in names))


def is_missing(column: Column, value: Any) -> ir.BooleanValue:
    """Whether a raw value is missing; a code that means missing is none such."""
    return (read_value(column, value) if column.empty_is_missing else value).isnull()


def stated(column: Column, code: Any, value: Any) -> ir.Value:
    """Return a value of the contract as a literal that compares with those of the table."""
    if column.type in ("date", "timestamp"):
        found = moment(code, column.type)
        if column.type == "date":
            return ibis.literal(found.date() if found else None, type="date")
        zone = getattr(value.type(), "timezone", None)
        at = found if zone or found is None else found.replace(tzinfo=None)
        return ibis.literal(at, type=value.type() if value.type().is_timestamp() else "timestamp")
    return ibis.literal(code, type=value.type() if _is_single(value) else None)


def _is_single(value: Any) -> bool:
    """Whether a file keeps 32 bits of a number: .1 there is not the .1 of 64 bits."""
    return isinstance(value.type(), ibis.expr.datatypes.Float32)


def broken(column: Column, value: Any) -> ir.BooleanValue | None:
    """Whether a value breaks the rules of its column; None where nothing could."""
    if column.type == "string":
        value = read_value(column, value)
    found = [
        rule.fill_null(False)
        for rule in (_rules(column, value), _not_a_number(column, value))
        if rule is not None
    ]
    return functools.reduce(operator.or_, found) if found else None


def _rules(column: Column, value: Any) -> ir.BooleanValue | None:
    as_day = column.type == "date" and value.type().is_timestamp()
    value = value.date() if as_day else value
    codes = [stated(column, code, value) for code in column.codes]
    if column.allowed:
        return ~_among(value, codes)
    rules = [*_bounds(column, value), *_numbers(column, value), *_texts(column, value)]
    if not rules:
        return None
    outside = functools.reduce(operator.or_, rules)
    return outside & ~_among(value, codes) if codes else outside


def _among(value: Any, codes: Sequence[Any]) -> ir.BooleanValue:
    """Whether a value is one of these codes.

    DuckDB turns a list of more than four into a join that carries the whole row, quadratic for a
    list in each of many columns. An array it looks through in place. On Spark an array does not
    contain what is missing; here that is not known, as in a list.
    """
    codes = list(codes)
    if len(codes) <= 4:
        return value.isin(codes)
    return value.isnull().ifelse(ibis.null("boolean"), ibis.array(codes).contains(value))


def joined(operation: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """Join many values in pairs, and the pairs again: 2,000 columns are 12 levels deep, not 2,000.

    Each library on the way (Ibis, sqlglot, the engine's parser) goes down an expression by
    recursion, and works on a chain in quadratic time.
    """
    while len(parts) > 1:
        pairs = itertools.zip_longest(parts[::2], parts[1::2])
        parts = [left if right is None else operation(left, right) for left, right in pairs]
    return parts[0]


def _bounds(column: Column, value: Any) -> list[ir.BooleanValue]:
    bound = functools.partial(stated, column, value=value)
    rules = []
    if column.minimum is not None:
        rules.append(value < bound(column.minimum))
    if column.maximum is not None:
        rules.append(value > bound(column.maximum))
    if column.exclusive_minimum is not None:
        rules.append(value <= bound(column.exclusive_minimum))
    if column.exclusive_maximum is not None:
        rules.append(value >= bound(column.exclusive_maximum))
    return rules


def _numbers(column: Column, value: Any) -> list[ir.BooleanValue]:
    """Exact for whole numbers, else as near as doubles tell decimals (as of one value)."""
    of = column.multiple_of
    if of is None:
        return []
    if isinstance(of, int) and value.type().is_integer():
        return [value % of != 0]
    quotient = value.cast("float64") / ibis.literal(float(of))
    rest = (quotient % 1.0).abs()
    tolerance = SINGLE_TOLERANCE if _is_single(value) else MULTIPLE_TOLERANCE
    return [ibis.least(rest, 1.0 - rest) > quotient.abs() * tolerance]


def _texts(column: Column, value: Any) -> list[ir.BooleanValue]:
    rules = []
    if column.min_length is not None:
        rules.append(value.length() < column.min_length)
    if column.max_length is not None:
        rules.append(value.length() > column.max_length)
    if column.pattern is not None:
        rules.append(~value.re_search(common_pattern(column.pattern)))
    return rules


def _not_a_number(column: Column, value: Any) -> ir.BooleanValue | None:
    """Floats may hold NaN, infinities and fractions: the first two are never allowed."""
    if not value.type().is_floating():
        return None
    strange = value.isnan() | value.isinf()
    # Not floor(): DuckDB's makes a 64-bit integer, and fails on what does not fit.
    return strange | (value % 1 != 0) if column.type == "integer" else strange
