"""What may be a nominal feature, and which operations have an ONNX form."""

from __future__ import annotations

import pytest

from fin_kedro.features.onnx import compile_text, supported_operations
from fin_kedro.features.onnx_compiler import UnsupportedExpressionError
from fin_kedro.features.onnx_nodes import Builder
from tests.features.onnx_expressions import TABLE


def test_integer_nominal_becomes_text() -> None:
    builder = Builder()
    assert compile_text(builder, "f", TABLE.i)
    assert builder.columns == {"i": "number"}


def test_fraction_is_no_nominal() -> None:
    with pytest.raises(UnsupportedExpressionError, match="string or integer"):
        compile_text(Builder(), "f", TABLE.x)


def test_supported_operations_lists_all_kinds() -> None:
    kinds = supported_operations()
    assert set(kinds) == {"number", "condition", "text"}
    assert "Greatest" in kinds["number"]
