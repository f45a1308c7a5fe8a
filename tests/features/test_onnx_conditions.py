"""The ONNX form of a condition follows Kleene's logic, as DuckDB does."""

from __future__ import annotations

from typing import Any

import ibis
from hypothesis import given

from tests.features.onnx_expressions import RELAXED, assert_same, conditions, has_column


@RELAXED
@given(condition=conditions().filter(has_column))
def test_random_condition_follows_kleene_logic(con: Any, condition: ibis.Value) -> None:
    assert_same(con, condition)
