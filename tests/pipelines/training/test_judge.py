"""Every figure has an interval that holds it; a fraud desk is measured by cards."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fin_kedro.pipelines.training import judge
from tests.pipelines.training.training_run import BOOTSTRAP, in_time


def test_every_interval_holds_its_figure(done: dict[str, Any]) -> None:
    metrics, curves, headline = judge.measure_models(
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
    figures_drawn = judge.draw_figures(
        done["scores"], curves, {"mean_absolute": {"income": 1.0, "debt": 0.5}}
    )
    assert [len(figure.axes) for figure in figures_drawn] == [1, 1, 1]


DESK: dict[str, Any] = {
    "cards": "keep__card", "time": "time", "amount": "keep__cents", "kind": "keep__kind", "k": 5,
    "false_positive_rate": 0.05,
    "costs": {"missed_fraud_share_of_amount": 1.0, "review": 100, "friction": 300},
}  # fmt: skip


def measure(done: dict[str, Any], detection: dict[str, Any] | None) -> Any:
    return judge.measure_models(done["scores"], in_time(done), done["policy"], BOOTSTRAP, detection)


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
