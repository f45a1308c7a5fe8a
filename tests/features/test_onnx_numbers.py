"""The ONNX form of a number gives DuckDB's values, NULL included."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pytest
from hypothesis import given, settings

from tests.features.onnx_expressions import (
    FRAME,
    RELAXED,
    TABLE,
    assert_same,
    by_onnx,
    has_column,
    numbers,
)


@RELAXED
@given(expression=numbers().filter(has_column))
def test_random_arithmetic_equals_duckdb_bit_for_bit(con: Any, expression: ibis.Value) -> None:
    assert_same(con, expression)


@settings(RELAXED, max_examples=25)
@given(expression=numbers().filter(has_column))
def test_logarithm_is_within_one_ulp(con: Any, expression: ibis.Value) -> None:
    positive = ibis.greatest(expression.cast("float64"), 0.5)
    assert_same(con, positive.ln(), ulps=1)
    assert_same(con, positive.log2(), ulps=4)
    assert_same(con, positive.log10(), ulps=4)


def test_log_of_zero_or_less_is_null() -> None:
    values = by_onnx((TABLE.y * 1.0).ln())
    y = FRAME["y"].astype(float).to_numpy()
    assert np.isnan(values[~(y > 0)]).all()
    assert np.isfinite(values[y > 0]).all()


@pytest.mark.parametrize(
    "expression",
    [
        TABLE.j % 7,
        TABLE.j % TABLE.i.nullif(0),
        TABLE.j // 7,
        (TABLE.x / 2).round(),
        TABLE.y.round(),
        ibis.greatest(TABLE.x, 0.0).sqrt(),
        TABLE.p.ifelse(TABLE.q, ~TABLE.q),
        TABLE.i.cases((0, 4), (1, 4), (-1, None), else_=TABLE.i),
        TABLE.i.isin([1, None]),
        TABLE.p == TABLE.q,
        ibis.greatest(TABLE.i, ibis.null("int64"), 0),
        4.0 * ibis.greatest(TABLE.i, 0.0) + 2.0 * TABLE.j,
    ],
)
def test_chosen_numbers_equal_duckdb(con: Any, expression: ibis.Value) -> None:
    assert_same(con, expression)
