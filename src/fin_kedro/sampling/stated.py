"""The shape of a table that nobody has seen: ranges, levels and signs of its contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fin_kedro.contracts.column import Column
from fin_kedro.sampling.columns import TIMES, as_number, bounds_of, codes_of, is_nominal
from fin_kedro.sampling.fresh import fresh_texts
from fin_kedro.sampling.shape import VALUE, Marginal, Shape

BAD = 0.2  # share of bad rows
MISSING = 0.05  # share of a value that may be missing
CODE = 0.03  # share of each special code
TOLD = 0.4  # share of the outcome's variance that the features tell
WORDS = 5  # levels of a text without a list
SPAN = ("2025-01-01", "2026-12-31")  # of days without bounds
WIDTH = 100.0  # of numbers without bounds and example


def stated_shape(
    columns: Sequence[Column], target: str | None, event: Any, span: tuple[str, str] = SPAN
) -> Shape:
    """A shape that a contract allows: levels alike, numbers even over their range.

    Args:
        columns: the columns.
        target: the outcome's column; it goes with each feature in the direction of its expected
            sign, or, without one, in turn upwards and downwards.
        event: its bad value.
        span: first and last day of columns of time without bounds.
    """
    of_columns, of_gaps = {}, {}
    for column in columns:
        if column.name == target:
            of_columns[column.name] = _outcome(column, event)
        elif is_nominal(column):
            of_columns[column.name] = _levels(column)
        else:
            of_columns[column.name] = _range(column, span)
            if gaps := _special(column, codes_of(column)):
                of_gaps[column.name] = _with_rest(gaps, {VALUE: 1.0})
    names = [*of_columns, *of_gaps]
    matrix = np.eye(len(names))
    features = [c for c in columns if c.role == "feature"]
    if target is not None and features:
        strength = (TOLD / len(features)) ** 0.5
        for place, column in enumerate(features):
            sign = column.sign or (1 if place % 2 == 0 else -1)
            i, j = names.index(target), names.index(column.name)
            matrix[i, j] = matrix[j, i] = sign * strength
    rows = tuple(tuple(float(c) for c in row) for row in matrix)
    return Shape(rows=0, columns=of_columns, gaps=of_gaps, correlation=rows)


def with_stated(shape: Shape, columns: Sequence[Column]) -> Shape:
    """A shape in which columns that too few rows tell of are as their contract states them."""
    empty = [c for c in columns if not (shape.columns[c.name].atoms or shape.columns[c.name].knots)]
    stated = {c.name: stated_shape([c], None, None).columns[c.name] for c in empty}
    return Shape(
        rows=shape.rows,
        columns={**shape.columns, **stated},
        gaps=shape.gaps,
        correlation=shape.correlation,
    )


def _special(column: Column, codes: Sequence[Any]) -> dict[Any, float]:
    found: dict[Any, float] = dict.fromkeys(codes, CODE)
    return found if column.required else {**found, None: MISSING}


def _with_rest(special: dict[Any, float], rest: dict[Any, float]) -> Marginal:
    """Special values with their shares; what they leave goes to the rest in proportion."""
    left = max(1.0 - sum(special.values()), 0.1) / sum(rest.values())
    shares = {**special, **{value: share * left for value, share in rest.items()}}
    total = sum(shares.values())
    return Marginal(atoms=tuple((value, share / total) for value, share in shares.items()))


def _outcome(column: Column, event: Any) -> Marginal:
    others = [v for v in (column.allowed or _two(column)) if v != event]
    shares = {**dict.fromkeys(others, (1 - BAD) / max(len(others), 1)), event: BAD}
    return Marginal(atoms=tuple(shares.items()))


def _two(column: Column) -> tuple[Any, ...]:
    return {"boolean": (False, True), "string": ("good", "bad")}.get(column.type, (0, 1))


def _levels(column: Column) -> Marginal:
    levels: Sequence[Any] = column.allowed
    if not levels and column.type == "boolean":
        levels = (False, True)
    if not levels and column.type == "string":
        made = fresh_texts(column, WORDS, np.random.default_rng(0))
        levels = list(dict.fromkeys(made))
    if not levels:  # numbers as names, without a list
        low, high, step = _ends(column, SPAN)
        whole = np.arange(low, min(high, low + WORDS * (step or 1)) + 1, step or 1)
        levels = [int(v) if column.type == "integer" else float(v) for v in whole]
    codes = [*column.missing_codes, *column.recode]
    return _with_rest(_special(column, codes), dict.fromkeys(levels, 1.0))


def _range(column: Column, span: tuple[str, str]) -> Marginal:
    if column.allowed:
        listed = [
            as_number(column, str(v)) if column.type in TIMES else float(v) for v in column.allowed
        ]
        return _with_rest({}, dict.fromkeys(sorted(listed), 1.0))
    low, high, _ = _ends(column, span)
    decimals = 2 if column.type == "number" and high - low >= 1 else None
    whole = 0 if column.type != "number" else decimals
    return Marginal(knots=((0.0, low), (1.0, high)), decimals=whole)


def _ends(column: Column, span: tuple[str, str]) -> tuple[float, float, float]:
    """Lowest and highest value, and the step: the bounds, else around the example, else some."""
    low, high, step = bounds_of(column)
    if column.type in TIMES:
        first, last = (as_number(column, day) for day in span)
        low = first if low is None else low
        high = max(last if high is None else min(high, max(last, low)), low)
        return low, high, step
    example = column.example
    near = float(example) if isinstance(example, int | float) and example else WIDTH / 2
    if low is None:
        low = min(0.0, 2 * near) if high is None else min(high, 0.0) - abs(2 * near)
    if high is None:
        high = max(low + abs(2 * near), near)
    return low, high, step
