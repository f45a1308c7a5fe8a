"""A real but tiny package: three raw columns, one logistic graph, a contract, golden rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from fin_kedro.contracts import Column, Contract
from fin_kedro.governance.package import write_package

JOBS = {"clerk": 0.5, "miner": 1.5, "nurse": -0.5}
OTHER_JOB = 0.25
SLOPES = {"income": -0.001, "late_payments": 0.8}
INTERCEPT = -0.5


def tiny_contract() -> Contract:
    """A contract with every kind of rule: range, enum with labels, optional, protected, string."""
    columns = [
        Column(name="application_id", type="integer", role="id"),
        Column(
            name="income",
            type="number",
            role="feature",
            minimum=0,
            maximum=10_000,
            reason="the income is low",
            reason_code="INC",
            example=2500.0,
            unit="EUR",
        ),
        Column(
            name="late_payments",
            type="integer",
            role="feature",
            required=False,
            allowed=(0, 1, 2, 3),
            labels={0: "none", 1: "one", 2: "two", 3: "three or more"},
            reason="payments were late",
            reason_code="LATE",
            example=1,
        ),
        Column(
            name="job",
            type="string",
            role="feature",
            required=False,
            nominal=True,
            reason="the occupation",
            reason_code="JOB",
            example="miner",
        ),
        Column(name="sex", type="integer", role="protected", allowed=(1, 2)),
        Column(name="default", type="integer", role="target", allowed=(0, 1)),
    ]
    return Contract(
        name="tiny_applications",
        version="1.0.0",
        columns={c.name: c for c in columns},
        path="tiny.odcs.yaml",
    )


def expected(row: dict[str, Any]) -> float:
    """The probability in plain Python."""
    return 1 / (1 + math.exp(-INTERCEPT - sum(parts(row))))


def parts(row: dict[str, Any]) -> tuple[float, float, float]:
    """Contributions of income, late payments and job; a missing number adds nothing."""
    income = SLOPES["income"] * row["income"]
    late = SLOPES["late_payments"] * (row.get("late_payments") or 0)
    return income, late, JOBS.get(row.get("job") or "", OTHER_JOB)


def tiny_graph(reason_columns: tuple[str, ...] = ("income", "late_payments", "job")) -> bytes:
    """Build the graph: raw columns in; probability and contributions out."""
    constant = {
        "zero": np.array([0.0]),
        "axis": np.array([1], dtype=np.int64),
        "intercept": np.array([INTERCEPT]),
        **{f"slope_{k}": np.array([v]) for k, v in SLOPES.items()},
    }
    nodes = [
        *(node for name in SLOPES for node in _linear(name)),
        helper.make_node(
            "LabelEncoder",
            ["job"],
            ["job_value"],
            domain="ai.onnx.ml",
            keys_strings=list(JOBS),
            values_floats=list(JOBS.values()),
            default_float=OTHER_JOB,
        ),
        helper.make_node("Cast", ["job_value"], ["job_part"], to=TensorProto.DOUBLE),
        *(
            helper.make_node("Unsqueeze", [f"{n}_part", "axis"], [f"{n}_column"])
            for n in ("income", "late_payments", "job")
        ),
        helper.make_node(
            "Concat",
            ["income_column", "late_payments_column", "job_column"],
            ["contributions"],
            axis=1,
        ),
        helper.make_node("ReduceSum", ["contributions", "axis"], ["total"], keepdims=0),
        helper.make_node("Add", ["total", "intercept"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["N"]) for n in SLOPES]
        + [helper.make_tensor_value_info("job", TensorProto.STRING, ["N"])],
        [
            helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["N"]),
            helper.make_tensor_value_info("contributions", TensorProto.DOUBLE, ["N", 3]),
        ],
        [onnx.numpy_helper.from_array(v, k) for k, v in constant.items()],
    )
    model = helper.make_model(
        graph,
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)],
    )
    facts = {
        "kind": "scorecard",
        "reason_columns": list(reason_columns),
        "expected_log_odds": INTERCEPT,
        "inputs": {"income": "number", "late_payments": "number", "job": "string"},
    }
    helper.set_model_props(model, {"fin_kedro": json.dumps(facts)})
    return model.SerializeToString(deterministic=True)


def _linear(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("IsNaN", [name], [f"{name}_missing"]),
        helper.make_node("Where", [f"{name}_missing", "zero", name], [f"{name}_known"]),
        helper.make_node("Mul", [f"{name}_known", f"slope_{name}"], [f"{name}_part"]),
    ]


def golden_rows() -> list[dict[str, Any]]:
    """Rows with known probabilities; floats for integers, as a data frame would give them."""
    rows = [
        {
            "income": 100.0 * i,
            "late_payments": [None, 0.0, 2.0][i % 3],
            "job": ["miner", None, "poet", "nurse"][i % 4],
        }
        for i in range(12)
    ]
    return [{"application": row, "probability": expected(row)} for row in rows]


def write_tiny(folder: Path, **changes: Any) -> str:
    """Write the tiny package and return its digest."""
    content: dict[str, Any] = {
        "workflow": "credit",
        "model": tiny_graph(),
        "contract": tiny_contract(),
        "decision": {"threshold": 0.4, "reasons": 2, "costs": {}, "model": "scorecard"},
        "golden": golden_rows(),
    }
    return write_package(folder, **{**content, **changes})
