"""Model table to candidate: gated by parity, decided by costs, proved by rows of nobody."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from fin_kedro.features.model_table import build_model_table
from fin_kedro.governance.gates import GateError
from fin_kedro.models.champion import champion_log_odds, model_frame, train_catboost
from fin_kedro.models.graph import score_frame
from fin_kedro.models.scorecard import scorecard_log_odds
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
ALL_ROWS = {"rows": None, "seed": 1}


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


def test_raw_rows_come_in_the_order_asked_for(done: dict[str, Any]) -> None:
    wanted = ["7", "3", "900"]
    rows = nodes.raw_rows(done["accepted"], CONTRACT, wanted)
    frame = applications().set_index(applications()["number"].astype(str)).loc[wanted]
    assert rows.index.tolist() == wanted
    assert rows["debt"].tolist() == frame["debt"].tolist()


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
    metrics, curves, headline = nodes.measure_models(
        done["scores"], done["model_table"], done["policy"], BOOTSTRAP, None
    )
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
        done["model_table"], done["features"], done["champion"], ALL_ROWS
    )
    test = done["scores"].query("part == 'test'")
    assert values["entity_id"].tolist() == test["entity_id"].tolist()
    total = values.drop(columns="entity_id").sum(axis=1) + summary["expected_log_odds"]
    assert total.to_numpy() == pytest.approx(test["champion_log_odds"].to_numpy(), abs=1e-8)


def test_a_bounded_sample_is_explained(done: dict[str, Any]) -> None:
    arguments = done["model_table"], done["features"], done["champion"]
    full, _ = nodes.explain_champion(*arguments, ALL_ROWS)
    some, summary = nodes.explain_champion(*arguments, {"rows": 50, "seed": 1})
    again, _ = nodes.explain_champion(*arguments, {"rows": 50, "seed": 1})
    other, _ = nodes.explain_champion(*arguments, {"rows": 50, "seed": 2})
    pd.testing.assert_frame_equal(some, again, check_exact=True)
    assert set(some["entity_id"]) != set(other["entity_id"])
    kept = full[full["entity_id"].isin(some["entity_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, kept)  # in the order of the table
    assert len(some) == 50
    means = some.drop(columns="entity_id").abs().mean()
    assert summary["mean_absolute"] == pytest.approx(means.to_dict())


# rows in time

WEEKS = {
    "validation": "prequential", "metric": "average_precision", "folds": 2, "train_days": 10,
    "delay_days": 2, "test_days": 4, "card": "keep__card",
}  # fmt: skip


def in_time(done: dict[str, Any]) -> Any:
    """The model table with a time of 20 days and cards."""
    number = done["model_table"].entity_id.cast("int64")
    return done["model_table"].mutate(
        time=(number % 20) * 86_400_000_000 + number,
        keep__card=number % 60,
        keep__cents=(number % 7) * 1000,
        keep__kind=(number % 2 == 0).ifelse("even", "odd"),
    )


def test_the_latest_rows_stop_the_training(done: dict[str, Any]) -> None:
    table, latest = in_time(done), {**CHAMPION, "held_out": "latest"}
    model, _ = nodes.train_champion(table, done["features"], latest)
    rows = table.filter(table.part == "train").execute()
    expected = train_catboost(
        x=model_frame(rows, done["features"]), y=rows["target"].to_numpy(), time=rows["time"],
        features=done["features"], settings=CHAMPION["settings"], held_out_share=0.2, patience=10,
        seed=1,
    )  # fmt: skip
    assert model == expected != done["champion"]
    assert (
        nodes.train_champion(table, done["features"], {**CHAMPION, "held_out": "random"})[0]
        == (done["champion"])
    )


def test_the_search_looks_forward(done: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def search(**options: Any) -> tuple[dict[str, Any], pd.DataFrame]:
        seen.update(options)
        return options["settings"], pd.DataFrame([{"depth": 3}])

    monkeypatch.setattr(nodes, "search_settings", search)
    space = {"trials": 2, "space": {"depth": [2, 3]}}
    champion = {**CHAMPION, "search": {**space, **WEEKS}}
    nodes.train_champion(in_time(done), done["features"], champion)
    rows = in_time(done).execute().query("part == 'train'").reset_index(drop=True)
    day = rows["time"] // 86_400_000_000
    assert (seen["metric"], seen["trials"], len(seen["splits"])) == ("average_precision", 2, 2)
    for (fit, held), start in zip(seen["splits"], (12, 16), strict=True):
        assert set(day[fit]) == set(range(start - 12, start - 2))
        assert day[held].between(start, start + 3).all()
        known = rows.loc[(rows["target"] == 1) & (day >= start - 12) & (day < start - 2)]
        assert not set(rows.loc[held, "keep__card"]) & set(known["keep__card"])
    nodes.train_champion(
        in_time(done), done["features"], {**CHAMPION, "search": {**space, "folds": 3}}
    )
    assert seen["folds"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": "newest"}, "'newest'; allowed: random, latest"),
        ({"held_out": "latest"}, "held_out: latest needs .* no column 'time': give a column"),
        ({"search": {"trials": 1, "space": {}, **WEEKS}}, "prequential needs to know when"),
        ({"search": {"trials": 1, "space": {}, "validation": "weeks"}}, "allowed: folds, preq"),
    ],
)
def test_what_needs_a_time_says_so(
    done: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nodes.train_champion(done["model_table"], done["features"], {**CHAMPION, **changes})


# few bads


def test_a_scorecard_of_fewer_goods_keeps_the_level(done: dict[str, Any]) -> None:
    few = {**SCORECARD, "imbalance": {"method": "undersampling", "ratio": 0.5}, "seed": 2}
    card, points = nodes.train_scorecard(done["model_table"], done["features"], few)
    assert card == nodes.train_scorecard(done["model_table"], done["features"], few)[0]
    assert card != done["scorecard"] and len(points) > 5
    x = model_frame(done["model_table"].execute(), done["features"])
    both = [scorecard_log_odds(c, x) for c in (card, done["scorecard"])]
    assert both[0].mean() == pytest.approx(both[1].mean(), abs=0.25)  # log(1/share) is 0.6


def test_a_scorecard_does_not_weigh(done: dict[str, Any]) -> None:
    weighed = {**SCORECARD, "imbalance": {"method": "weights", "ratio": 1}}
    with pytest.raises(ValueError, match="scorecard.imbalance.method is 'weights'; allowed: none,"):
        nodes.train_scorecard(done["model_table"], done["features"], weighed)


def test_a_champion_of_fewer_goods_is_another_one(done: dict[str, Any]) -> None:
    few = {**CHAMPION, "imbalance": {"method": "undersampling", "ratio": 0.5}}
    model, _ = nodes.train_champion(done["model_table"], done["features"], few)
    x = model_frame(done["model_table"].execute(), done["features"])
    shift = champion_log_odds(model, x).mean() - champion_log_odds(done["champion"], x).mean()
    assert shift > 0.3


# transactions of cards

DESK: dict[str, Any] = {
    "cards": "keep__card", "time": "time", "amount": "keep__cents", "kind": "keep__kind", "k": 5,
    "false_positive_rate": 0.05,
    "costs": {"missed_fraud_share_of_amount": 1.0, "review": 100, "friction": 300},
}  # fmt: skip


def measure(done: dict[str, Any], detection: dict[str, Any] | None) -> Any:
    return nodes.measure_models(done["scores"], in_time(done), done["policy"], BOOTSTRAP, detection)


def test_a_fraud_desk_is_measured_where_rows_are_of_cards(done: dict[str, Any]) -> None:
    rows, (metrics, curves, headline) = measure(done, None)[0]["test"], measure(done, DESK)
    for model, figures in metrics["test"].items():
        for name in ("auc", "gini", "ks", "average_precision", "brier", "log_loss", "ece", "slope"):
            assert figures[name]["value"] == pytest.approx(rows[model][name]["value"]), name
        assert figures["profit"]["value"] == pytest.approx(rows[model]["profit"]["value"])
        assert figures["approval_rate"] == pytest.approx(rows[model]["approval_rate"])
        desk = {"card_precision_at_5", "recall_at_fpr_0.05", "saved_share", "recall_even"}
        assert desk <= set(figures)
        for name, figure in figures.items():
            assert all(math.isfinite(v) for v in figure.values()), name
            if "low" in figure:
                assert figure["low"] <= figure["value"] <= figure["high"], name
    assert headline["test.champion.card_precision_at_5"]["step"] == 0
    days = curves["champion"]["days"]
    mean = sum(days["precision"]) / len(days["precision"])
    assert mean == pytest.approx(metrics["test"]["champion"]["card_precision_at_5"]["value"])
    assert json.loads(json.dumps(curves)) == curves


def test_columns_are_joined_by_the_entity(done: dict[str, Any]) -> None:
    turned = {**done, "scores": done["scores"].iloc[::-1].reset_index(drop=True)}
    expected, _, _ = measure(done, DESK)
    found, _, _ = measure(turned, DESK)
    for name, figure in expected["test"]["champion"].items():
        assert found["test"]["champion"][name]["value"] == pytest.approx(figure["value"]), name


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
