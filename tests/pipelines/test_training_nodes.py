"""Model table to candidate: gated by parity, decided by costs, proved by rows of nobody."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from fin_kedro.kernel.gates import GateError
from fin_kedro.models.graph import score_frame
from fin_kedro.features.model_table import build_model_table
from fin_kedro.pipelines.training import nodes
from tests.pipelines.samples import (
    CHAMPION,
    FEATURES,
    SCORECARD,
    SPLIT,
    applications,
    contract,
    settings,
    table,
)

CONTRACT, LIMITS = contract(), {"max_abs_diff": 1e-5}
BOOTSTRAP = {"replicates": 50, "seed": 1}


def run_training() -> dict[str, Any]:
    """Run the nodes of training by hand, as the pipeline wires them."""
    accepted = table(applications())
    model_table, features = build_model_table(accepted, CONTRACT, FEATURES, SPLIT)
    champion, trials = nodes.train_champion(model_table, features, CHAMPION)
    scorecard, _ = nodes.train_scorecard(model_table, features, SCORECARD)
    calibrations = nodes.calibrate_models(model_table, features, champion, scorecard)
    policy = nodes.set_decision_policy(settings())
    models = (champion, scorecard, calibrations)
    scores = nodes.score_rows(model_table, features, *models, policy)
    graphs = nodes.export_graphs(CONTRACT, features, FEATURES, *models)
    return {
        "accepted": accepted, "model_table": model_table, "features": features, "trials": trials,
        "champion": champion, "scorecard": scorecard, "calibrations": calibrations,
        "policy": policy, "scores": scores, "graphs": graphs,
    }  # fmt: skip


@pytest.fixture(scope="module")
def done() -> dict[str, Any]:
    return run_training()


def parity(done: dict[str, Any], **changes: Any) -> dict[str, Any]:
    d = {**done, "limits": LIMITS, **changes}
    return nodes.check_parity(
        d["accepted"], CONTRACT, d["scores"], *d["graphs"], d["policy"], d["limits"]
    )


def candidate(done: dict[str, Any]) -> dict[str, Any]:
    d, found = done, {"champion": {"max_abs_diff": 0.0}, "scorecard": {"max_abs_diff": 0.0}}
    return nodes.assemble_candidate(
        d["accepted"], CONTRACT, d["scores"], d["features"], FEATURES, d["champion"],
        d["scorecard"], *d["graphs"], d["calibrations"], d["policy"], found,
    )  # fmt: skip


def test_two_runs_give_the_same_models_scores_and_bytes(done: dict[str, Any]) -> None:
    again = run_training()
    for name in ("champion", "scorecard", "calibrations"):
        assert json.dumps(again[name]) == json.dumps(done[name])
    pd.testing.assert_frame_equal(again["scores"], done["scores"], check_exact=True)
    assert [g.SerializeToString(deterministic=True) for g in again["graphs"]] == [
        g.SerializeToString(deterministic=True) for g in done["graphs"]
    ]


# the decision


@pytest.mark.parametrize(
    ("bad", "threshold"), [(-10.0, 4 / 14), (-4.0, 0.5), (-36.0, 0.1)]
)  # approve while (1 - p) * gain > p * loss
def test_the_threshold_comes_from_the_costs(bad: float, threshold: float) -> None:
    costs = {**settings()["costs"], "approve_bad": bad}
    policy = nodes.set_decision_policy(settings(costs=costs))
    assert policy["threshold"] == pytest.approx(threshold)
    assert policy["costs"] == costs


def test_an_unknown_deciding_model_is_refused() -> None:
    with pytest.raises(ValueError, match="'champ'; allowed: champion, scorecard"):
        nodes.set_decision_policy(settings(model="champ"))


def test_who_reaches_the_threshold_is_declined(done: dict[str, Any]) -> None:
    scores, threshold = done["scores"], done["policy"]["threshold"]
    declined = scores["champion_probability"] >= threshold
    assert (scores["decision"] == np.where(declined, "decline", "approve")).all()
    assert declined.any() and not declined.all()


def test_probabilities_are_the_calibrated_log_odds(done: dict[str, Any]) -> None:
    for name in ("champion", "scorecard"):
        c, scores = done["calibrations"][name], done["scores"]
        logit = c["slope"] * scores[f"{name}_log_odds"] + c["intercept"]
        expected = 1 / (1 + np.exp(-logit))
        np.testing.assert_allclose(scores[f"{name}_probability"], expected, rtol=1e-12)


def test_training_sees_the_training_part_only(done: dict[str, Any]) -> None:
    t = done["model_table"]
    flipped = t.mutate(target=(t.part == "train").ifelse(t.target, 1 - t.target).cast("int8"))
    model, _ = nodes.train_champion(flipped, done["features"], CHAMPION)
    card, _ = nodes.train_scorecard(flipped, done["features"], SCORECARD)
    assert model == done["champion"] and card == done["scorecard"]


def test_a_part_without_rows_is_named(done: dict[str, Any]) -> None:
    t = done["model_table"]
    with pytest.raises(
        ValueError, match=r"part 'train' has no rows; the table has \['calibration', "
    ):
        nodes.train_champion(t.filter(t.part != "train"), done["features"], CHAMPION)


# parity


def test_graph_and_python_agree(done: dict[str, Any]) -> None:
    rows = (done["scores"]["part"] == "test").sum()
    for figures in parity(done).values():
        assert figures["max_abs_diff"] <= 1e-6
        assert (figures["decisions_differ"], figures["rows"]) == (0, rows)


def test_a_wrong_graph_stops_the_run(done: dict[str, Any]) -> None:
    champion, scorecard = done["graphs"]
    with pytest.raises(
        GateError, match=r"gate parity failed: the champion's.*limit 1e-05.*limit 0"
    ):
        parity(done, graphs=(scorecard, champion))
    with pytest.raises(GateError, match="gate parity failed: the scorecard's"):
        parity(done, graphs=(champion, champion))


def test_one_changed_decision_stops_the_run_however_small_the_gap(done: dict[str, Any]) -> None:
    test = done["scores"].query("part == 'test'")
    nudged = done["scores"].copy()
    nudged.loc[test.index[0], "champion_probability"] += 1e-7
    between = test["champion_probability"].iloc[0] + 5e-8
    policy = {**done["policy"], "threshold": between}
    with pytest.raises(GateError, match="in 1 decisions"):
        parity(done, scores=nudged, policy=policy)


# figures


def test_every_interval_holds_its_figure(done: dict[str, Any]) -> None:
    metrics, curves, headline = nodes.measure_models(done["scores"], done["policy"], BOOTSTRAP)
    assert list(metrics) == ["test"]
    for figures in metrics["test"].values():
        assert {"auc", "gini", "ks", "brier", "log_loss", "ece", "profit"} <= set(figures)
        for name, figure in figures.items():
            assert math.isfinite(figure["value"]), name
            if "low" in figure:
                assert figure["low"] <= figure["value"] <= figure["high"], name
    assert headline["test.champion.auc"]["value"] == metrics["test"]["champion"]["auc"]["value"]
    rows = int((done["scores"]["part"] == "test").sum())
    assert sum(curves["champion"]["bands"]["rows"]) == rows
    figures_drawn = nodes.draw_figures(
        done["scores"], curves, {"mean_absolute": {"income": 1.0, "debt": 0.5}}
    )
    assert [len(figure.axes) for figure in figures_drawn] == [1, 1, 1]


def test_explanations_are_of_the_test_part_and_add_up(done: dict[str, Any]) -> None:
    values, summary = nodes.explain_champion(
        done["model_table"], done["features"], done["champion"]
    )
    test = done["scores"].query("part == 'test'")
    assert values["entity_id"].tolist() == test["entity_id"].tolist()
    total = values.drop(columns="entity_id").sum(axis=1) + summary["expected_log_odds"]
    assert total.to_numpy() == pytest.approx(test["champion_log_odds"].to_numpy(), abs=1e-8)


# the candidate


def test_golden_rows_are_nobody(done: dict[str, Any]) -> None:
    golden = [tuple(row["application"].values()) for row in candidate(done)["golden"]]
    columns = [c.name for c in CONTRACT.features]
    people = {tuple(row) for row in applications()[columns].itertuples(index=False)}
    assert len(golden) == len(set(golden)) == nodes.GOLDEN_ROWS
    assert not people & set(golden)


def test_golden_rows_follow_the_contract_and_are_plain_json(done: dict[str, Any]) -> None:
    golden = candidate(done)["golden"]
    assert json.loads(json.dumps(golden)) == golden
    for row in golden:
        for name, value in row["application"].items():
            column = CONTRACT.columns[name]
            as_read = float(value) if column.type == "number" else value
            assert column.problem(as_read) is None, (name, value)


def test_the_graph_gives_the_golden_probabilities(done: dict[str, Any]) -> None:
    made = candidate(done)
    rows = pd.DataFrame([row["application"] for row in made["golden"]])
    probability, _ = score_frame(onnx.load_from_string(made["model"]), rows)
    expected = [row["probability"] for row in made["golden"]]
    assert probability == pytest.approx(expected, abs=1e-6)
    assert made["decision"]["parity"] == {"max_abs_diff": 0.0}


def test_the_deciding_models_graph_is_packed(done: dict[str, Any]) -> None:
    policy = nodes.set_decision_policy(settings(model="scorecard"))
    made = candidate({**done, "policy": policy})
    assert made["model"] == done["graphs"][1].SerializeToString(deterministic=True)
