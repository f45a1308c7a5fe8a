"""Figures of two runs: the order, the better direction, the interval."""

from __future__ import annotations

from typing import Any

import pytest

from tests.changes.sealed_lab import FIGURE, SealedLab, as_json


def test_figures_of_the_deciding_model_come_first_then_by_weight(lab: SealedLab) -> None:
    def metrics(auc: float, brier: float, other: float) -> dict[str, Any]:
        champion = {"auc": {**FIGURE, "value": auc}, "brier": {"value": brier, "low": 0, "high": 1}}
        return {"test": {"card": {"auc": {**FIGURE, "value": other}}, "champion": champion}}

    policy = as_json({"model": "champion"})
    seals = [
        lab.seal(run, data={"credit.metrics": as_json(m), "credit.decision_policy": policy})
        for run, m in (("1", metrics(0.7, 0.2, 0.5)), ("2", metrics(0.73, 0.19, 0.9)))
    ]  # fmt: skip
    figures = lab.compare(*seals).figures
    assert [(f.model, f.name) for f in figures] == [
        ("champion", "auc"), ("champion", "brier"), ("card", "auc"),
    ]  # fmt: skip
    assert [f.better for f in figures] == [True, True, True]
    assert [f.outside for f in figures] == [True, False, True]
    assert figures[0].change == pytest.approx(0.03)
