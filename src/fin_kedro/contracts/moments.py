"""A date or timestamp as a number, and what a feature of such a type is counted against."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fin_kedro.contracts.column import TIME, Column, moment

DAY_US = 86_400_000_000  # microseconds
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US = dt.timedelta(microseconds=1)


def microseconds(value: Any) -> float:
    """Return the microseconds since 1970 UTC of an ISO text, a date or a datetime.

    A time without a zone is one of UTC, and a date is its midnight. Missing (None, NaN, NaT) is
    NaN. As a double every microsecond from 1685 to 2255 is exact, and every day of the calendar.

    Raises:
        ValueError: a text that names no moment, or something else.
    """
    if value is None or value != value:  # noqa: PLR0124 (NaN and NaT differ from themselves)
        return math.nan
    found = moment(value, "timestamp") if isinstance(value, str) else _utc(value)
    if found is None:
        raise ValueError(f"{value!r} is no date and no timestamp; write it like 2026-11-30")
    return float((found - _EPOCH) // _US)


def _utc(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return None


def iso_text(value: Any, type_: str) -> str | None:
    """Return a moment as a request writes it: a day, or a time in UTC; None where it is missing."""
    us = microseconds(value)
    if math.isnan(us):
        return None
    found = _EPOCH + dt.timedelta(microseconds=us)
    if type_ == "date":
        return found.date().isoformat()
    return found.replace(tzinfo=None).isoformat() + "Z"


def with_references(columns: Sequence[Column]) -> list[Column]:
    """Columns in which a feature that is a moment says what its age is counted at.

    Where nothing is stated it is the table's time, if there is one.
    """
    if not any(c.role == "time" for c in columns):
        return list(columns)
    return [replace(c, age_at=TIME) if c.is_age and c.age_at is None else c for c in columns]


def counts_whole_days(column: Column, time: Column | None) -> bool:
    """Whether an age is in whole days of the calendar: one of its two ends is a day."""
    if column.type == "date":
        return True
    if column.age_at == TIME:
        return time is not None and time.type == "date"
    return moment(str(column.age_at), "date") is not None
