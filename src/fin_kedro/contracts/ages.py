"""The age of a date or timestamp at the row's time: one expression for every engine. Ibis only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir

from fin_kedro.contracts.column import TIME, Column
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.moments import DAY_US, counts_whole_days, microseconds


@ibis.udf.scalar.builtin(name="epoch_us", signature=(("timestamp",), "int64"))
def _of_duckdb(moment: Any) -> Any:
    """DuckDB's: microseconds since 1970 UTC."""


@ibis.udf.scalar.builtin(name="unix_micros", signature=(("timestamp",), "int64"))
def _of_spark(moment: Any) -> Any:
    """Spark's: microseconds since 1970 UTC."""


def as_microseconds(value: Any) -> ir.FloatingValue:
    """A date, a timestamp or an ISO text of a table as microseconds since 1970 UTC (float64).

    It is `microseconds` of one value; what is a number already stays as it is.
    """
    if value.type().is_numeric():
        return value.cast("float64")
    if value.type().is_date() or value.type().is_string():
        value = value.cast("timestamp")
    spark = ibis.get_backend(value).name == "pyspark"
    return (_of_spark if spark else _of_duckdb)(value).cast("float64")


def age(contract: Contract, column: Column, moments: Callable[[str], Any]) -> ir.Value:
    """The days between a moment and the row's time (float64): above 0 where it lies in the past.

    Whole days of the calendar (UTC) where one of the two is a date, else the elapsed time in days
    of 86,400 seconds. Missing where one of them is; codes of both columns are read by the contract.

    Args:
        contract: of the column.
        column: a feature that is a date or a timestamp.
        moments: raw column's name to its microseconds since 1970 UTC, NULL where it is missing.
    """
    whole = counts_whole_days(column, contract.time)
    began = _read(column, moments(column.name), whole=whole)
    if column.age_at == TIME and contract.time is not None:
        return _read(contract.time, moments(contract.time.name), whole=whole) - began
    at = microseconds(column.age_at) / DAY_US
    return ibis.literal(float(at // 1 if whole else at)) - began


def _read(column: Column, us: Any, *, whole: bool) -> Any:
    """Days since 1970, under the column's reading rule."""
    if column.type == "date" and (column.missing_codes or column.recode):
        us = _day(us) * float(DAY_US)  # a file may keep an hour beside the day; a code has none
    us = coded(column, us)
    return _day(us) if whole else us / float(DAY_US)


def _day(us: Any) -> Any:
    return (us / float(DAY_US)).floor().cast("float64")


def coded(column: Column, us: Any) -> Any:
    """Microseconds under the column's reading rule: missing codes are NULL, recodes happen."""
    for code in column.missing_codes:
        us = us.nullif(microseconds(code))
    if not column.recode:
        return us
    branches = [(us == microseconds(k), microseconds(v)) for k, v in column.recode.items()]
    return ibis.cases(*branches, else_=us)
