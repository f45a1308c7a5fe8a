"""One ONNX graph gives the probability and the reasons of the Python path."""

from __future__ import annotations

import copy
from typing import Any

import ibis
import numpy as np
import onnx
import pandas as pd
import pytest
from catboost import Pool

from fin_kedro.features.onnx_compiler import UnsupportedExpressionError
from fin_kedro.models.catboost_trees import CatBoostModelError
from fin_kedro.models.graph import (
    GraphError,
    build_graph,
    feeds,
    metadata,
    open_session,
    score_frame,
    to_bytes,
)
from tests.models import lending

THRESHOLD = 0.5


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def graph_of(model: dict[str, Any], **changes: Any) -> onnx.ModelProto:
    arguments = {
        "inputs": lending.INPUTS,
        "expressions": lending.expressions(),
        "nominal": lending.NOMINAL,
        "model": model,
        "calibration": lending.CALIBRATION,
        "reason_of": lending.REASON_OF,
    }
    return build_graph(**(arguments | changes))


@pytest.fixture(scope="module")
def champion() -> dict[str, Any]:
    frame = lending.applications()
    model, told = lending.train(lending.model_table(frame), lending.outcome(frame), iterations=300)
    graph = graph_of(told)
    return {"python": model, "dict": told, "graph": graph, "session": open_session(graph)}


@pytest.fixture(scope="module", params=["known", "strange"])
def rows(request: pytest.FixtureRequest) -> pd.DataFrame:
    frame = lending.applications()
    return frame if request.param == "known" else lending.unseen(frame)


def python_logit(model: Any, rows: pd.DataFrame) -> np.ndarray:
    raw = model.predict(lending.model_table(rows), prediction_type="RawFormulaVal")
    return lending.CALIBRATION["slope"] * raw + lending.CALIBRATION["intercept"]


def test_champion_probability_and_decisions(champion: dict[str, Any], rows: pd.DataFrame) -> None:
    probability, _ = score_frame(champion["session"], rows)
    expected = sigmoid(python_logit(champion["python"], rows))
    np.testing.assert_allclose(probability, expected, atol=1e-6, rtol=0)
    assert np.array_equal(probability >= THRESHOLD, expected >= THRESHOLD)


def test_champion_reasons_are_catboost_shap(champion: dict[str, Any], rows: pd.DataFrame) -> None:
    probability, reasons = score_frame(champion["session"], rows)
    facts = metadata(champion["graph"])
    pool = Pool(lending.model_table(rows), cat_features=lending.NOMINAL)
    shap = champion["python"].get_feature_importance(pool, type="ShapValues")
    for k, column in enumerate(facts["reason_columns"]):
        features = champion["dict"]["features"]
        owned = [i for i, name in enumerate(features) if lending.REASON_OF[name] == column]
        expected = lending.CALIBRATION["slope"] * shap[:, owned].sum(axis=1)
        np.testing.assert_allclose(reasons[:, k], expected, atol=1e-6)
    total = facts["expected_log_odds"] + reasons.sum(axis=1)
    np.testing.assert_allclose(sigmoid(total), probability, atol=1e-12, rtol=0)


def test_graph_is_valid_deterministic_and_self_describing(champion: dict[str, Any]) -> None:
    onnx.checker.check_model(champion["graph"], full_check=True)
    assert to_bytes(graph_of(champion["dict"])) == to_bytes(champion["graph"])
    facts = metadata(champion["graph"])
    assert set(facts) == {"kind", "reason_columns", "expected_log_odds", "inputs"}
    assert facts["kind"] == "catboost"
    assert facts["inputs"]["town"] == "string"
    assert facts["inputs"]["owner"] == "number"
    assert list(facts["inputs"]) == list(lending.INPUTS)
    assert len(to_bytes(champion["graph"])) < 10e6
    shapes = {i.name: i.shape for i in champion["session"].get_inputs()}
    assert all(shape == ["N"] for shape in shapes.values())


def test_batches_do_not_change_scores(champion: dict[str, Any]) -> None:
    frame = lending.applications(50)
    one, reasons = score_frame(champion["session"], frame, rows=1)
    whole, together = score_frame(to_bytes(champion["graph"]), frame)
    np.testing.assert_array_equal(one, whole)
    np.testing.assert_array_equal(reasons, together)


def test_numbers_only_champion() -> None:
    frame = lending.applications(1500)
    table = lending.model_table(frame)[["amount", "income"]]
    model, told = lending.train(table, lending.outcome(frame), iterations=20, depth=3)
    probability, _ = score_frame(graph_of(told), frame)
    raw = model.predict(table, prediction_type="RawFormulaVal")
    expected = sigmoid(lending.CALIBRATION["slope"] * raw + lending.CALIBRATION["intercept"])
    np.testing.assert_allclose(probability, expected, atol=1e-7, rtol=0)


CARD = {
    "kind": "scorecard",
    "features": ["amount", "town", "score", "education", "burden"],
    "bins": {
        "amount": {"nominal": False, "edges": [100.0, 250.5], "woe": [-0.5, 0.1, 0.7],
                   "missing_woe": 0.2, "mean_woe": 0.03},
        "town": {"nominal": True, "groups": [["1", "2"], ["3"]], "woe": [0.4, -0.3],
                 "other_woe": 0.01, "missing_woe": -0.6, "mean_woe": 0.02},
        "score": {"nominal": False, "edges": [], "woe": [0.15], "missing_woe": 0.9,
                  "mean_woe": -0.1},
        "education": {"nominal": True, "groups": [["1"], ["2", "4"]], "woe": [-0.2, 0.3],
                      "other_woe": 0.0, "missing_woe": 0.05, "mean_woe": 0.0},
        "burden": {"nominal": False, "edges": [0.5, 1.0, 3.0, 9.0],
                   "woe": [-1.0, -0.4, 0.0, 0.5, 1.1], "missing_woe": 0.0, "mean_woe": -0.2},
    },
    "coefficients": {"amount": 0.9, "town": 0.5, "score": 0.3, "education": 1.2, "burden": 0.7},
    "intercept": -1.05,
}  # fmt: skip


def card_woe(bins: dict[str, Any], value: Any) -> float:
    if bins["nominal"]:
        groups = [w for g, w in zip(bins["groups"], bins["woe"], strict=True) if value in g]
        return groups[0] if groups else bins["missing_woe"] if value == "" else bins["other_woe"]
    if np.isnan(value):
        return bins["missing_woe"]
    return bins["woe"][sum(value >= edge for edge in bins["edges"])]


def test_scorecard_probability_and_reasons(rows: pd.DataFrame) -> None:
    table, (probability, reasons) = lending.model_table(rows), score_frame(graph_of(CARD), rows)
    slope, facts = lending.CALIBRATION["slope"], metadata(graph_of(CARD))
    assert facts["reason_columns"] == ["amount", "town", "score", "education", "income"]
    logit = np.full(len(rows), CARD["intercept"])
    for k, name in enumerate(CARD["features"]):
        bins, coefficient = CARD["bins"][name], CARD["coefficients"][name]
        woe = np.array([card_woe(bins, value) for value in table[name]])
        logit += coefficient * woe
        expected = slope * coefficient * (woe - bins["mean_woe"])
        np.testing.assert_allclose(reasons[:, k], expected, atol=1e-12)
    expected = sigmoid(slope * logit + lending.CALIBRATION["intercept"])
    np.testing.assert_allclose(probability, expected, atol=1e-12, rtol=0)
    total = facts["expected_log_odds"] + reasons.sum(axis=1)
    np.testing.assert_allclose(sigmoid(total), probability, atol=1e-12, rtol=0)


def test_a_value_on_an_edge_belongs_to_the_upper_bin() -> None:
    card = CARD | {"features": ["amount"]}
    _, reasons = score_frame(graph_of(card), {"amount": [99.99, 100.0, 250.5]})
    factor = lending.CALIBRATION["slope"] * 0.9
    np.testing.assert_allclose(reasons[:, 0] / factor + 0.03, [-0.5, 0.1, 0.7], atol=1e-12)


def test_only_used_columns_become_inputs() -> None:
    facts = metadata(graph_of(CARD | {"features": ["town"]}))
    assert facts["inputs"] == {"town": "string"}


def test_feeds_maps_every_kind_of_missing() -> None:
    whole = pd.array([1, None], dtype="Int64")
    frame = {"x": whole, "y": [None, 2], "s": ["a", None], "u": [np.nan, "é"]}
    ready = feeds(frame, {"x": "number", "y": "number", "s": "string", "u": "string"})
    assert np.isnan([ready["x"][1], ready["y"][0]]).all()
    assert ready["s"].tolist() == ["a", ""]
    assert ready["u"].tolist() == ["", "é"]
    with pytest.raises(GraphError, match="age"):
        feeds(frame, {"age": "number"})


T = ibis.table(lending.SCHEMA | {"day": "date", "probability": "float64"}, name="t")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"calibration": {"method": "isotonic"}}, "platt"),
        ({"model": {"kind": "forest"}}, "catboost, scorecard"),
        ({"expressions": {}}, "expressions"),
        ({"reason_of": {}}, "reason_of"),
        ({"inputs": {"amount": "number"}}, "inputs"),
        ({"inputs": lending.INPUTS | {"town": "integer"}}, "'town' is integer"),
        ({"inputs": lending.INPUTS | {"town": "date"}}, "'town' is date"),
    ],
)
def test_misfits_are_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(GraphError, match=word):
        graph_of(**({"model": CARD} | changes))


@pytest.mark.parametrize("name", ["probability", "contributions", "/0", "/c0"])
def test_a_column_may_be_called_as_a_tensor_of_the_graph(name: str) -> None:
    rows = lending.applications(50)
    amount = ibis.table({name: "float64"}, name="raw")[name]
    named = graph_of(
        model=CARD,
        inputs=lending.INPUTS | {name: "number"},
        expressions=lending.expressions() | {"amount": amount},
    )
    amount = ibis.table({"amount": "float64"}, name="raw").amount
    plain = graph_of(model=CARD, expressions=lending.expressions() | {"amount": amount})
    assert name in metadata(named)["inputs"]
    found = score_frame(named, rows.assign(**{name: rows["amount"]}))
    for ours, right in zip(found, score_frame(plain, rows), strict=True):
        np.testing.assert_array_equal(ours, right)


def test_scorecard_without_mean_woe_is_refused() -> None:
    card = copy.deepcopy(CARD)
    del card["bins"]["town"]["mean_woe"]
    with pytest.raises(GraphError, match="'town'.*mean_woe"):
        graph_of(card)


def test_champion_with_other_features_is_refused(champion: dict[str, Any]) -> None:
    features = list(reversed(champion["dict"]["features"]))
    with pytest.raises(CatBoostModelError, match="CatBoost has features"):
        graph_of(champion["dict"] | {"features": features})


def test_expression_without_onnx_form_is_refused_by_feature() -> None:
    with pytest.raises(UnsupportedExpressionError, match="'amount'"):
        graph_of(CARD, expressions=lending.expressions() | {"amount": T.amount.sin()})
