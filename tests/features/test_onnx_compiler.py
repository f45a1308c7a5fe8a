"""The compiler follows projections to raw columns, and refuses by name what has no exact form."""

from __future__ import annotations

import ibis
import numpy as np
import pytest

from fin_kedro.features.onnx import compile_number
from fin_kedro.features.onnx_compiler import UnsupportedExpressionError
from fin_kedro.features.onnx_nodes import Builder
from tests.features.onnx_expressions import TABLE, by_onnx


def test_projection_is_followed_to_the_raw_columns() -> None:
    projected = TABLE.mutate(z=TABLE.i + TABLE.x)
    np.testing.assert_array_equal(by_onnx(projected.z * 2), by_onnx((TABLE.i + TABLE.x) * 2))


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        (TABLE.x / TABLE.i, "nullif"),
        (TABLE.x / 0, "nullif"),
        (TABLE.x.cast("int64"), "floor"),
        (TABLE.x.cast("float32"), "float64"),
        (TABLE.x.round(2), "without digits"),
        (TABLE.x.sin(), "Sin"),
        (TABLE.s.length(), "StringLength"),
        (TABLE.s.upper() == "A", "Uppercase"),
        (TABLE.s < "a", "isin"),
        (TABLE.s == "", "isnull"),
        (TABLE.i * 0.1, "DECIMAL"),
        (4.0 * TABLE.i + 0.1, "DECIMAL"),
        (TABLE.i.clip(0, 1.5), "float64"),
        (ibis.greatest(TABLE.i, 0.5), "DECIMAL"),
        (TABLE.i + 2**60, "2\\*\\*53"),
        (TABLE.x.sum(), "Sum"),
        (TABLE.filter(TABLE.i > 0).x + 1, "Filter"),
        (ibis.literal(1) + 1, "no column"),
        (ibis.table({"d": "date"}, name="t").d.year(), "ExtractYear"),
        (ibis.table({"d": "date"}, name="t").d.isnull(), "contract"),
    ],
)
def test_inexact_or_unknown_is_refused_by_name(expression: ibis.Value, word: str) -> None:
    with pytest.raises(UnsupportedExpressionError, match=f"(?s)'rate'.*{word}"):
        compile_number(Builder(), "rate", expression)
