"""A real but tiny fraud package: the project's own contracts and statistics, a linear graph."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from fin_kedro.contracts import Column, Contract
from fin_kedro.contracts.reading import read_contract
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.windows import HOUR, EventFeatures, RowValue, Statistic
from fin_kedro.governance.package import write_package

CONTRACTS = Path(__file__).parents[2] / "conf/base/contracts"
INTERCEPT = -3.0
WORDS = {
    "row": "transaction",
    "rows": "transactions",
    "bad": "fraud",
    "accept": "allow",
    "refuse": "block",
}
START = 1_533_728_400_000_000  # microseconds


def _of_customer(aggregate: str) -> str:
    """The first statistic of the customer alone with this aggregate."""
    return next(
        s.name
        for s in fraud_statistics.statistics
        if s.key == ("customer_id",) and s.aggregate == aggregate and s.of == "transactions"
    )


COUNT, ELAPSED = _of_customer("count"), _of_customer("since_last")
FRAUDS = next(s.name for s in fraud_statistics.statistics if s.of == "frauds")
SLOPES = {"amount_cents": 1e-4, COUNT: 0.5, FRAUDS: 2.0, ELAPSED: -1e-10}


def live_contract(features: EventFeatures = fraud_statistics) -> Contract:
    """The contract of a scored row, put together as the fraud pipeline does it."""
    transactions = read_contract(CONTRACTS / "card_transactions.odcs.yaml")
    labels = read_contract(CONTRACTS / "fraud_labels.odcs.yaml")
    columns = dict(transactions.columns)
    for made in (*features.row_values, *features.statistics):
        columns[made.name] = _history(made)
    columns[features.label] = replace(labels.columns[features.label], role="target")
    return replace(
        transactions, name="scored_card_transactions", version="1.0.0+1.0.0", columns=columns
    )


def _history(made: RowValue | Statistic) -> Column:
    required = isinstance(made, RowValue) or made.adds
    return Column(
        name=made.name,
        type="integer",
        role="feature",
        required=required,
        minimum=0,
        reason=f"because of {made.name}",
        reason_code=made.name.upper(),
    )


def linear_graph(slopes: Mapping[str, float], intercept: float) -> bytes:
    """Numbers in; probability and contributions out; a missing number adds nothing."""
    parts = [f"{name}_column" for name in slopes]
    constant = {"zero": np.array([0.0]), "axis": np.array([1]), "intercept": np.array([intercept])}
    constant |= {f"{name}_slope": np.array([slope]) for name, slope in slopes.items()}
    nodes = [node for name in slopes for node in _term(name)]
    nodes += [
        helper.make_node("Concat", parts, ["contributions"], axis=1),
        helper.make_node("ReduceSum", ["contributions", "axis"], ["total"], keepdims=0),
        helper.make_node("Add", ["total", "intercept"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N"]) for name in slopes],
        [
            helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["N"]),
            helper.make_tensor_value_info("contributions", TensorProto.DOUBLE, ["N", len(slopes)]),
        ],
        [onnx.numpy_helper.from_array(v, k) for k, v in constant.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
    facts = {"reason_columns": list(slopes), "inputs": dict.fromkeys(slopes, "number")}
    helper.set_model_props(model, {"fin_kedro": json.dumps(facts)})
    return model.SerializeToString(deterministic=True)


def _term(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("IsNaN", [name], [f"{name}_missing"]),
        helper.make_node("Where", [f"{name}_missing", "zero", name], [f"{name}_known"]),
        helper.make_node("Mul", [f"{name}_known", f"{name}_slope"], [f"{name}_part"]),
        helper.make_node("Unsqueeze", [f"{name}_part", "axis"], [f"{name}_column"]),
    ]


def expected(row: Mapping[str, Any]) -> float:
    """The probability in plain Python, of a transaction with its history."""
    logit = INTERCEPT + sum(slope * (row[name] or 0) for name, slope in SLOPES.items())
    return 1 / (1 + math.exp(-logit))


def transaction(number: int, **changes: Any) -> dict[str, Any]:
    """One of a customer's transactions, an hour after the one before."""
    moment = START + number * HOUR
    row = {
        "transaction_id": number,
        "event_us": moment,
        "known_us": moment,
        "customer_id": 7,
        "terminal_id": 3,
        "amount_cents": 1250,
        "place_x": 40_000,
        "place_y": 60_000,
    }
    return {**row, **changes}


def write_live(folder: Path, **changes: Any) -> str:
    """Write the tiny fraud package and return its digest."""
    contract = live_contract()
    golden = {c.name: 5 if c.required else None for c in contract.features}
    content: dict[str, Any] = {
        "workflow": "fraud",
        "model": linear_graph(SLOPES, INTERCEPT),
        "contract": contract,
        "decision": {"threshold": 0.5, "reasons": 2, "costs": {}, "words": WORDS},
        "golden": [{"application": golden, "probability": expected(golden)}],
    }
    return write_package(folder, **{**content, **changes})
