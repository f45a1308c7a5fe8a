"""Equal nodes stand in the graph once."""

from __future__ import annotations

from fin_kedro.features.onnx import compile_number
from fin_kedro.features.onnx_nodes import Builder
from tests.features.onnx_expressions import TABLE


def test_equal_nodes_are_shared() -> None:
    builder = Builder()
    clean = TABLE.x.nullif(-0.25)
    compile_number(builder, "a", clean + 1)
    before = len(builder.nodes)
    compile_number(builder, "b", clean + 2)
    assert len(builder.nodes) == before + 1
