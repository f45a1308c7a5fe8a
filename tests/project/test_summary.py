"""The table at the end of a run shows what the workflow is judged by."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.pipeline import Pipeline, node

from fin_kedro.project.summary import RunClock, print_summary

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6}
SCORE = dict.fromkeys(("auc", "ks", "brier", "average_precision"), FIGURE)
DESK = {**SCORE, "card_precision_at_100": FIGURE, "recall_at_fpr_0.01": FIGURE}
VERDICTS = {
    "verdicts": [
        {"code": "FAI-AIR-SEX", "gate": True, "status": "attention", "value": 0.85},
        {"code": "DIS-AUC", "gate": True, "status": "pass", "value": 0.8},
        {"code": "FAI-AIR-AGE", "gate": True, "status": "not_applicable", "value": None},
        {"code": "FAI-AIR-TOWN", "gate": True, "status": "not_judged", "value": 0.4},
    ]
}


class Catalog:
    """Datasets of one workflow."""

    def __init__(self, workflow: str, figures: dict[str, Any]) -> None:
        metrics = {"test": {"champion": figures, "scorecard": figures}}
        self.data: dict[str, Any] = {
            f"{workflow}.metrics": metrics,
            f"{workflow}.verdicts": VERDICTS,
            f"{workflow}.decision_policy": {"model": "champion"},
        }

    def load(self, name: str) -> Any:
        return self.data[name]


def shown(workflow: str, figures: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Print the summary; return its lines."""
    steps = [
        node(lambda: None, None, f"{workflow}.{name}", name=name)
        for name in ("metrics", "verdicts")
    ]
    clock = RunClock()
    catalog = Catalog(workflow, figures)
    print_summary(Pipeline(steps), catalog, clock, {}, finished=clock.process_began + 1)
    return capsys.readouterr().out.splitlines()


def headings(lines: list[str]) -> list[str]:
    row = next(line for line in lines if line.strip().startswith("model"))
    return [cell.strip() for cell in row.split("  ") if cell.strip()]


def test_people_are_shown_with_their_lowest_impact_ratio(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown("credit", SCORE, capsys)
    assert headings(lines) == ["model", "AUC", "KS", "Brier", "lowest AIR", "gates passed"]
    champion = next(line for line in lines if "champion *" in line)
    assert "0.500 [0.400, 0.600]" in champion
    assert "0.850 (SEX)" in champion and "2/3, 1 attention, 1 not judged" in champion


def test_a_fraud_desk_is_shown_its_own_figures(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown("fraud", DESK, capsys)
    assert headings(lines) == ["model", "AUC", "AP", "CP@100", "recall at 1% FPR", "gates passed"]
    champion, scorecard = (next(x for x in lines if name in x) for name in ("champion *", "scorec"))
    assert champion.count("0.500 [0.400, 0.600]") == scorecard.count("0.500 [0.400, 0.600]") == 4
    assert (
        champion.rstrip().endswith("2/3, 1 attention, 1 not judged")
        and "attention" not in scorecard
    )
    assert "…" not in champion, "nothing is cut off"
