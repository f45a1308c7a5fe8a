"""Columns of a contract as the statistics of a shape take them, and back: numbers, days, levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fin_kedro.contracts.column import Column, moment
from fin_kedro.sampling.fresh import fresh_levels, is_like_an_id
from fin_kedro.sampling.shape import Marginal, Shape, learn_shape

TIMES = {"date": 86_400_000_000, "timestamp": 1}  # microseconds of a unit
EPOCH = pd.Timestamp("1970-01-01")


def is_learnt(column: Column) -> bool:
    """Whether the column's values go into a shape; ids and what no model reads are made anew."""
    if is_like_an_id(column):
        return False
    return column.role != "ignored"


def is_nominal(column: Column) -> bool:
    """Whether a column's values are levels: texts, truth values, the outcome, codes."""
    return column.type in ("string", "boolean") or column.nominal or column.role == "target"


def is_renamed(column: Column) -> bool:
    """Whether the levels of a column get new names: texts of persons that no list makes public."""
    return (
        column.type == "string" and column.pii in ("personal", "pseudonym") and not (column.allowed)
    )


def as_statistics_take_it(column: Column, values: pd.Series) -> pd.Series:
    """Raw values as numbers or levels; a day is its number since 1970, a moment microseconds."""
    if column.type in TIMES:
        times = pd.to_datetime(values, utc=True).dt.tz_localize(None)
        micro = (times - EPOCH) / pd.Timedelta("1us")
        return micro // TIMES[column.type]
    if column.type == "string":
        return values.astype(object).where(values.notna() & (values != ""), None)
    if column.type == "boolean":
        return values.astype(object).where(values.notna(), None)
    numbers = pd.to_numeric(values).astype(float)
    if is_nominal(column):
        as_they_are = numbers.astype(object).where(numbers.notna(), None)
        whole = column.type == "integer"
        return as_they_are.map(lambda v: int(v) if whole and v is not None else v)
    return numbers


def codes_of(column: Column) -> list[Any]:
    """Numbers of a column that stand for something else."""
    codes = [*column.missing_codes, *column.recode]
    if column.type in TIMES:
        return [as_number(column, str(code)) for code in codes]
    return [float(code) for code in codes]


def as_number(column: Column, stated: str) -> float:
    """A stated day or moment as its number."""
    found = moment(stated, column.type)
    assert found is not None, "the contract has read it"
    return (
        float((pd.Timestamp(found).tz_localize(None) - EPOCH) // pd.Timedelta("1us"))
        // TIMES[column.type]
    )


def as_written(column: Column, drawn: pd.Series) -> pd.Series:
    """Drawn values in the column's type, within its bounds."""
    missing = drawn.isna().to_numpy(bool)
    if column.type in ("string", "boolean"):
        return drawn.astype(object).where(~missing, None)
    numbers = pd.to_numeric(drawn).astype(float)
    if not is_nominal(column):
        inside = _inside(column, numbers)
        numbers = numbers.where(numbers.isin(codes_of(column)), inside)
    if column.type == "number":
        return numbers
    whole = numbers.round().astype("Int64")
    if column.type == "integer":
        return whole
    micro = whole.to_numpy(float, na_value=np.nan) * TIMES[column.type]
    times = pd.Series(pd.to_timedelta(micro, unit="us") + EPOCH, index=drawn.index)
    return times.astype("datetime64[us]")


def bounds_of(column: Column) -> tuple[float | None, float | None, float]:
    """Lowest and highest value of a column, and the step between values (0: any).

    An exclusive bound of a whole number is the next one; of another, one thousandth of itself.
    """
    whole = column.type != "number"
    step = float(column.multiple_of or (1 if whole else 0))
    nudge = step or 1e-3

    def number(stated: Any) -> float:
        return as_number(column, stated) if column.type in TIMES else float(stated)

    lows = [number(b) for b in (column.minimum,) if b is not None]
    lows += [number(b) + nudge for b in (column.exclusive_minimum,) if b is not None]
    highs = [number(b) for b in (column.maximum,) if b is not None]
    highs += [number(b) - nudge for b in (column.exclusive_maximum,) if b is not None]
    return max(lows, default=None), min(highs, default=None), step


def _inside(column: Column, numbers: pd.Series) -> pd.Series:
    low, high, step = bounds_of(column)
    clipped = numbers.clip(lower=low, upper=high)
    if not step or (step == 1 and column.type != "number"):
        return clipped.round() if step else clipped
    on_step = (clipped / step).round()
    on_step = on_step.where(on_step * step >= (low if low is not None else -np.inf), on_step + 1)
    on_step = on_step.where(on_step * step <= (high if high is not None else np.inf), on_step - 1)
    return (on_step * step).round(9)


def learn_columns(columns: Sequence[Column], frame: pd.DataFrame, outcome: Any = None) -> Shape:
    """The shape of the columns of a table.

    Args:
        columns: the columns, each of which is learnt.
        frame: raw rows that keep the contract.
        outcome: 1 for a bad row, 0 for another, NaN where that is not known; levels are put in
            the order of their bad rate.
    """
    table = pd.DataFrame({c.name: as_statistics_take_it(c, frame[c.name]) for c in columns})
    nominal = {c.name for c in columns if is_nominal(c)}
    codes = {c.name: codes_of(c) for c in columns if c.name not in nominal}
    shape = learn_shape(table, nominal=nominal, codes=codes, outcome=outcome)
    renamed = {c.name: _renamed(c, shape.columns[c.name]) for c in columns if is_renamed(c)}
    return Shape(
        rows=shape.rows,
        columns={**shape.columns, **renamed},
        gaps=shape.gaps,
        correlation=shape.correlation,
    )


def _renamed(column: Column, marginal: Marginal) -> Marginal:
    """New names for the levels of persons' texts; what the contract lists keeps its own."""
    stated = {None, *column.missing_codes, *column.recode}
    told = [value for value, _ in marginal.atoms if value not in stated]
    names: Mapping[Any, str] = dict(zip(told, fresh_levels(column, len(told)), strict=True))
    return Marginal(atoms=tuple((names.get(v, v), share) for v, share in marginal.atoms))
