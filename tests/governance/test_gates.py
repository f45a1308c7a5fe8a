"""A failed or missing gate stops a run, and says which and by how much."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.checks.verdict import Panel, to_records
from fin_kedro.governance.gates import GateError, enforce_gates

GATES: dict[str, dict[str, Any]] = {
    "DIS-AUC": {"title": "AUC", "limits": {"min": 0.75}, "gate": True},
    "FAI-AIR": {"title": "AIR", "limits": {"min": 0.8}, "gate": True},
    "CAL-Z": {"title": "z", "limits": {"max": 1.96}, "gate": False},
}


def records(auc: float = 0.78, air: float = 0.9, z: float = 1.0) -> list[dict[str, Any]]:
    panel = Panel(GATES)
    panel.judge("DIS-AUC", auc, low=auc - 0.01, high=auc + 0.01)
    panel.judge("FAI-AIR", air, part="SEX")
    panel.judge("CAL-Z", z)
    return to_records(panel.verdicts)


def test_passing_verdicts_come_back() -> None:
    assert enforce_gates(records(), gates=GATES) == records()


def test_failure_names_gate_figure_and_limit() -> None:
    with pytest.raises(GateError, match=r"DIS-AUC \(AUC\): 0\.71 \[0\.7, 0\.72\], limit >= 0\.75"):
        enforce_gates(records(auc=0.71))


def test_all_failures_are_named() -> None:
    with pytest.raises(
        GateError, match=r"2 gates failed.*DIS-AUC.*FAI-AIR-SEX|FAI-AIR-SEX.*DIS-AUC"
    ):
        enforce_gates(records(auc=0.5, air=0.5))


def test_a_check_for_information_stops_nothing() -> None:
    assert len(enforce_gates(records(z=9.0), gates=GATES)) == 3


def test_a_gate_without_a_verdict_fails() -> None:
    kept = [record for record in records() if record["code"] != "FAI-AIR-SEX"]
    with pytest.raises(GateError, match="FAI-AIR: no verdict was recorded"):
        enforce_gates(kept, gates=GATES)


def test_a_gate_binds_unless_policy_says_that_it_does_not() -> None:
    silent = {"PAR-MAX": {"title": "parity", "limits": {"max": 1e-5}}}
    with pytest.raises(GateError, match="PAR-MAX: no verdict was recorded"):
        enforce_gates(records(), gates={**GATES, **silent})


def test_no_verdicts_at_all_fail() -> None:
    with pytest.raises(GateError, match="No verdicts"):
        enforce_gates([])


def test_a_figure_that_is_missing_fails_in_words() -> None:
    with pytest.raises(GateError, match="no finite figure was measured"):
        enforce_gates(records(auc=float("nan")))
