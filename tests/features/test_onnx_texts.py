"""The ONNX form of a text gives DuckDB's values, NULL included."""

from __future__ import annotations

from typing import Any

import ibis
import pytest

from tests.features.onnx_expressions import TABLE, assert_same


@pytest.mark.parametrize(
    "expression",
    [
        TABLE.s,
        TABLE.s.cases(("a", "b"), ("C", "b"), else_=TABLE.s),
        TABLE.s.cases(("a", "first"), ("a", "second"), else_="other"),
        TABLE.s.cases(("a", "first"), ("b", None)),
        TABLE.s.cases(("a", TABLE.u), else_=TABLE.s),
        TABLE.s.substitute({"a": "A", "b": "B"}),
        TABLE.s.nullif("a"),
        TABLE.s.nullif("").fill_null("none"),
        ibis.coalesce(TABLE.s.nullif("a"), TABLE.u, ibis.literal("z")),
        ibis.ifelse(TABLE.s.isin(["a", "b"]), TABLE.s, "other"),
        ibis.cases((TABLE.s == TABLE.u, "same"), (TABLE.s != TABLE.u, "differs"), else_="unknown"),
        TABLE.i.cases((0, 4), else_=TABLE.i).cast("string"),
        TABLE.big.cast("string"),
    ],
)
def test_text_equals_duckdb(con: Any, expression: ibis.Value) -> None:
    assert_same(con, expression)
