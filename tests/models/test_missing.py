"""A missing value under an expected sign says what it said in training, and never "the best"."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.models.catboost_trees import CatBoostModelError, read_trees, tree_layout
from fin_kedro.models.champion import (
    champion_log_odds,
    search_settings,
    shap_values,
    train_catboost,
)
from fin_kedro.models.graph import build_graph, metadata, open_session, score_frame
from fin_kedro.models.missing import missing_values, source_of, without_missing
from fin_kedro.models.scorecard import scorecard_log_odds, train_woe_scorecard
from tests.models import lending

SETTINGS = {"iterations": 60, "depth": 4, "learning_rate": 0.2, "thread_count": 1}
POSITIVE = {"nominal": False, "sign": 1}
SIGNS = {"amount": 1, "burden": 1, "income": -1, "score": -1}
LENDING = {
    name: {"nominal": name in lending.NOMINAL, "sign": SIGNS.get(name, 0)}
    for name in lending.REASON_OF
}


def probability(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def owed(rows: int = 4000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Payments owed, outcome, and where a special code stood: nine in ten of those are bad."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, rows).astype(float)
    bad = (rng.random(rows) < 1 / (1 + np.exp(2 - 0.5 * values))).astype(int)
    gone = rng.random(rows) < 0.1
    bad[gone] = rng.random(gone.sum()) < 0.9
    return pd.DataFrame({"owed": np.where(gone, np.nan, values)}), bad, gone


def trained(x: pd.DataFrame, y: np.ndarray, features: Any, **more: Any) -> dict[str, Any]:
    return train_catboost(x=x, y=y, features=features, settings=SETTINGS, patience=10, **more)


def test_a_group_that_turned_out_bad_is_not_called_the_safest() -> None:
    x, bad, gone = owed()
    found = probability(champion_log_odds(trained(x, bad, {"owed": POSITIVE}), x))
    assert found[gone].mean() == pytest.approx(bad[gone].mean(), abs=0.05)
    assert found[gone].mean() > found[x["owed"] == 5].mean()
    among = {n: found[x["owed"] == n].mean() for n in range(6)}
    assert list(among.values()) == sorted(among.values()), "the sign holds for what is known"

    as_trained = trained(x, bad, {"owed": POSITIVE}, when_missing="as_trained")
    assert probability(champion_log_odds(as_trained, x))[gone].mean() < 0.5  # what is mended here
    assert as_trained["missing"] == {}


def test_the_scorecard_says_it_too() -> None:
    x, bad, gone = owed()
    params = {
        "max_bins": 6, "min_share": 0.03, "min_information_value": 0.02, "inverse_penalty": 0.01,
        "points_to_double_odds": 20, "base_points": 600, "base_odds": 50,
    }  # fmt: skip
    card = train_woe_scorecard(x=x, y=bad, features={"owed": POSITIVE}, params=params)
    found = probability(scorecard_log_odds(card, x))
    assert found[gone].mean() == pytest.approx(bad[gone].mean(), abs=0.05)
    assert found[gone].mean() > found[x["owed"] == 5].mean()


def test_what_is_missing_in_a_request_only_counts_as_the_middle() -> None:
    rng = np.random.default_rng(1)
    x = pd.DataFrame({"late": rng.poisson(1, 3000).astype(float), "x": rng.normal(size=3000)})
    bad = (rng.random(3000) < 1 / (1 + np.exp(2 - 1.2 * x["late"]))).astype(int).to_numpy()
    champion = trained(x, bad, {"late": POSITIVE, "x": {"nominal": False, "sign": 0}})
    assert champion["missing"] == {"neutral": {"late": float(np.median(x["late"]))}, "flags": []}
    unknown = champion_log_odds(champion, x.assign(late=np.nan))
    np.testing.assert_array_equal(
        unknown, champion_log_odds(champion, x.assign(late=np.median(x["late"])))
    )
    assert unknown.mean() > champion_log_odds(champion, x.assign(late=0.0)).mean() + 0.1


def test_only_known_choices_are_taken() -> None:
    x, bad, _ = owed(200)
    with pytest.raises(ValueError, match="when_missing is 'best'; allowed: neutral, as_trained"):
        trained(x, bad, {"owed": POSITIVE}, when_missing="best")


def test_a_search_judges_what_training_makes() -> None:
    x, bad, _ = owed(1500)
    _, free = search_settings(
        x=x, y=bad, features={"owed": POSITIVE}, settings=SETTINGS, space={"depth": [3]}, trials=1
    )
    _, bound = search_settings(
        x=x, y=bad, features={"owed": POSITIVE}, settings=SETTINGS, space={"depth": [3]}, trials=1,
        when_missing="as_trained",
    )  # fmt: skip
    assert free.loc[0, "auc"] > bound.loc[0, "auc"] + 0.02


@pytest.fixture(scope="module")
def lent() -> dict[str, Any]:
    """A champion of hard applications, half of whose columns have signs and gaps; its graph."""
    frame = lending.applications()
    table = lending.model_table(frame)
    champion = trained(table, lending.outcome(frame), LENDING)
    graph = build_graph(
        inputs=lending.INPUTS, expressions=lending.expressions(), nominal=lending.NOMINAL,
        model=champion, calibration=lending.CALIBRATION, reason_of=lending.REASON_OF,
    )  # fmt: skip
    return {"frame": frame, "champion": champion, "graph": graph, "session": open_session(graph)}


@pytest.mark.parametrize("gaps", ["as they were", "everywhere", "unseen values"])
def test_the_graph_is_the_champion(lent: dict[str, Any], gaps: str) -> None:
    frame, champion = lent["frame"], lent["champion"]
    assert champion["missing"]["flags"] == ["burden", "income", "score"]
    if gaps == "everywhere":  # amount was never missing in training
        frame = frame.assign(**dict.fromkeys(("amount", "income", "score"), np.nan))
    if gaps == "unseen values":
        frame = lending.unseen(frame)
    table = lending.model_table(frame)
    found, reasons = score_frame(lent["session"], frame)
    slope, intercept = (lending.CALIBRATION[n] for n in ("slope", "intercept"))
    log_odds = slope * champion_log_odds(champion, table) + intercept
    np.testing.assert_allclose(found, probability(log_odds), atol=1e-6, rtol=0)
    values, expected = shap_values(champion, table)
    facts = metadata(lent["graph"])
    assert facts["expected_log_odds"] == pytest.approx(slope * expected + intercept, abs=1e-9)
    for k, column in enumerate(facts["reason_columns"]):
        owned = [name for name in values if lending.REASON_OF[name] == column]
        np.testing.assert_allclose(
            reasons[:, k], slope * values[owned].sum(axis=1).to_numpy(), atol=1e-6
        )


def test_no_column_and_no_step_of_the_graph_is_for_flags(lent: dict[str, Any]) -> None:
    kinds = [node.op_type for node in lent["graph"].graph.node]
    [trees] = [n for n in lent["graph"].graph.node if n.op_type == "TreeEnsembleRegressor"]
    told = {a.name: onnx.helper.get_attribute_value(a) for a in trees.attribute}
    columns = len(read_trees(lent["champion"]["model"]).owner)
    assert max(told["nodes_featureids"]) < columns - len(lent["champion"]["missing"]["flags"])
    as_trained = trained(
        lending.model_table(lent["frame"]), lending.outcome(lent["frame"]), LENDING,
        when_missing="as_trained",
    )  # fmt: skip
    plain = build_graph(
        inputs=lending.INPUTS, expressions=lending.expressions(), nominal=lending.NOMINAL,
        model=as_trained, calibration=lending.CALIBRATION, reason_of=lending.REASON_OF,
    )  # fmt: skip
    assert kinds == [node.op_type for node in plain.graph.node]


def test_a_champion_made_before_flags_scores_as_it_did() -> None:
    frame = lending.applications(500)
    table = lending.model_table(frame)
    model, old = lending.train(table, lending.outcome(frame), iterations=20)
    assert "missing" not in old
    expected = model.predict(table, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(champion_log_odds(old, table), expected, atol=1e-12, rtol=0)


def test_a_champion_whose_flags_are_lost_is_refused(lent: dict[str, Any]) -> None:
    without = {**lent["champion"], "missing": {}}
    with pytest.raises(CatBoostModelError, match="score is missing"):
        tree_layout(read_trees(without["model"]), without)


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=30),
    st.sampled_from([-1, 0, 1]),
)
def test_filling_keeps_what_is_known_and_flags_the_rest(values: list[float], sign: int) -> None:
    x = pd.DataFrame({"a": values, "b": ["x"] * len(values)})
    features = {"a": {"nominal": False, "sign": sign}, "b": {"nominal": True, "sign": 0}}
    told = missing_values(x, features)
    seen = without_missing(x, told)
    assert list(seen) == list(source_of(features, told))
    known = ~np.isnan(np.array(values))
    assert seen["a"][known].tolist() == [v for v in values if not np.isnan(v)]
    if sign:
        middle = np.float32(np.median(np.array(values)[known])) if known.any() else 0.0
        assert (seen["a"][~known] == middle).all()
        assert ("a is missing" in seen) == (not known.all())
    else:
        assert list(seen) == ["a", "b"] and np.isnan(seen["a"][~known]).all()
