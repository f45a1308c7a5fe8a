"""Expressions for tests of the ONNX form: random ones, and both ways to compute them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import ibis
import numpy as np
import onnxruntime
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from onnx import TensorProto, checker, helper

from fin_kedro.features.onnx import compile_number, compile_text
from fin_kedro.features.onnx_nodes import ML_DOMAIN, Builder

SCHEMA = {
    "i": "int64",
    "j": "int64",
    "big": "int64",
    "x": "float64",
    "y": "float64",
    "p": "boolean",
    "q": "boolean",
    "s": "string",
    "u": "string",
}
TABLE = ibis.table(SCHEMA, name="t")
KINDS = {"number": TensorProto.DOUBLE, "string": TensorProto.STRING}


def sample(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "i": rng.integers(-3, 4, rows),
            "j": rng.integers(-1000, 1000, rows),
            "big": rng.integers(-(2**49), 2**49, rows),
            "x": np.round(rng.normal(0, 100, rows), 3),
            "y": rng.choice([0.0, -0.0, 1e-12, -1.5, 2.5, 0.5, -0.5, 1e6, 0.1], rows),
            "p": rng.random(rows) < 0.5,
            "q": rng.random(rows) < 0.3,
            "s": rng.choice(["a", "b", "ä b", "C", "7"], rows),
            "u": rng.choice(["a", "b", "x"], rows),
        }
    )
    for name in frame:
        frame[name] = frame[name].astype(object).mask(rng.random(rows) < 0.2, None)
    return frame


FRAME = sample()


def by_duckdb(con: Any, expression: ibis.Value) -> np.ndarray:
    sql = ibis.to_sql(TABLE.select(value=expression), dialect="duckdb")
    values = con.raw_sql(str(sql)).fetchnumpy()["value"]
    if values.dtype == object:
        return np.ma.filled(values, "")
    return np.ma.filled(values.astype(np.float64), np.nan)


def feeds(columns: Mapping[str, str]) -> dict[str, np.ndarray]:
    text = {n: FRAME[n].fillna("").to_numpy(object) for n in columns if columns[n] == "string"}
    return text | {n: FRAME[n].astype(float).to_numpy() for n in columns if n not in text}


def by_onnx(expression: ibis.Value) -> np.ndarray:
    builder = Builder()
    kind = "string" if expression.type().is_string() else "number"
    name = (compile_text if kind == "string" else compile_number)(builder, "f", expression)
    nodes = [*builder.nodes, helper.make_node("Identity", [name], ["out"])]
    inputs = [helper.make_tensor_value_info(n, KINDS[k], ["N"]) for n, k in builder.columns.items()]
    out = helper.make_tensor_value_info("out", KINDS[kind], ["N"])
    graph = helper.make_graph(nodes, "g", inputs, [out], builder.constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(ML_DOMAIN, 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds(builder.columns))[0]


def assert_same(con: Any, expression: ibis.Value, ulps: int = 0) -> None:
    ours, theirs = by_onnx(expression), by_duckdb(con, expression)
    if ulps:
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        known = ~np.isnan(ours)
        np.testing.assert_array_max_ulp(ours[known], theirs[known], ulps)
    else:  # equal as values: every bit but the sign of zero
        np.testing.assert_array_equal(ours, theirs)


# Random expressions. Integers stay below 2**53: columns below 2**49, at most eight of them added.
LEAVES = ["i", "j", "big", "x", "y"]
COMPARISONS = ["__gt__", "__ge__", "__lt__", "__le__", "__eq__", "__ne__"]
UNARY = ["negate", "abs", "floor", "ceil", "clip", "truth"]
BINARY = ["add", "subtract", "multiply", "divide", "nullif", "greatest", "least", "coalesce"]


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3) -> ibis.Value:
    kinds = ["leaf", *UNARY, *BINARY, "many", "if", "case"]
    kind = draw(st.sampled_from(kinds if depth else ["leaf"]))
    if kind == "leaf":
        literal = ibis.literal(draw(st.sampled_from([2, -3, -0.25, 0.1])))
        return draw(st.sampled_from([*(TABLE[name] for name in LEAVES), literal]))
    if kind == "many":
        values = draw(st.lists(numbers(depth=depth - 1), min_size=3, max_size=6))
        return draw(st.sampled_from([ibis.greatest, ibis.least, ibis.coalesce]))(*exact(*values))
    a = draw(numbers(depth=depth - 1))
    if kind in UNARY:
        return unary(kind, a, draw(conditions(depth=depth - 1)))
    b = draw(numbers(depth=depth - 1))
    a, b = exact(a, b)
    if kind in BINARY:
        return binary(kind, a, b)
    first, second = draw(conditions(depth=depth - 1)), draw(conditions(depth=depth - 1))
    return ibis.ifelse(first, a, b) if kind == "if" else ibis.cases((first, a), (second, b))


def unary(kind: str, a: ibis.Value, condition: ibis.Value) -> ibis.Value:
    x = a.cast("float64")
    return {
        "negate": -a,
        "abs": a.abs(),
        "floor": ibis.ifelse(x.abs() < 1e15, x, 0.0).floor(),
        "ceil": ibis.ifelse(x.abs() < 1e15, x, 0.0).ceil(),
        "clip": a.clip(-1, 50),
        "truth": condition.cast("int64"),
    }[kind]


def binary(kind: str, a: ibis.Value, b: ibis.Value) -> ibis.Value:
    return {
        "add": a + b,
        "subtract": a - b,
        "multiply": a.cast("float64") * b.cast("float64"),
        "divide": a.cast("float64") / b.nullif(0),
        "nullif": a.nullif(b),
        "greatest": ibis.greatest(a, b),
        "least": ibis.least(a, b),
        "coalesce": ibis.coalesce(a, b),
    }[kind]


def exact(*values: ibis.Value) -> list[ibis.Value]:
    """SQL reads an integer and a fraction literal as DECIMAL; float64 operands keep doubles."""
    if all(value.type().is_integer() for value in values):
        return list(values)
    zero = (TABLE.x - TABLE.x).fill_null(0.0)  # a cast of a fraction literal alone vanishes
    return [value.cast("float64") + zero for value in values]


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> ibis.Value:
    t = TABLE
    simple = [t.p, t.q, t.s == "a", t.s != t.u, t.s.isin(["b", "7"]), t.u.isnull(), t.p == t.q]
    kinds = ["and", "or", "not", "fill", "compare", "between", "isin", "isnull"]
    kind = draw(st.sampled_from(["simple", *kinds] if depth else ["simple"]))
    if kind == "simple":
        return draw(st.sampled_from(simple))
    if kind in ("and", "or", "not", "fill"):
        a, b = draw(conditions(depth=depth - 1)), draw(conditions(depth=depth - 1))
        return {"and": a & b, "or": a | b, "not": ~a, "fill": a.fill_null(False)}[kind]
    a, b = draw(numbers(depth=depth - 1)), draw(numbers(depth=depth - 1))
    compared = getattr(a, draw(st.sampled_from(COMPARISONS)))(b)
    others = {"between": a.between(-1, b), "isin": a.isin([1, 2, -3]), "isnull": a.isnull()}
    return compared if kind == "compare" else others[kind]


def has_column(expression: ibis.Value) -> bool:
    return bool(expression.op().find(ibis.expr.operations.Field))


RELAXED = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
