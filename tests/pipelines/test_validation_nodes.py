"""Validation: recorded whatever it found, and stopping the run where a gate failed."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.checks.verdict import Panel, to_records
from fin_kedro.governance.approval import report_digest
from fin_kedro.governance.gates import GateError
from fin_kedro.pipelines.validation import create_pipeline, nodes
from fin_kedro.pipelines.validation.nodes import enforce_validation_gates, record_validation

GATES: dict[str, dict[str, Any]] = {
    "DIS-AUC": {"title": "AUC of the champion", "limits": {"min": 0.75}, "gate": True},
    "CAL-Z": {"title": "Spiegelhalter's z", "limits": {"max": 1.96}, "gate": False},
}
CANDIDATE = {"workflow": "credit", "version": "3", "digest": "d"}
CONTEXT = {
    "env": "ci",
    "gates": GATES,
    "paths": {
        "credit.validation_notebook": "reports/v.ipynb",
        "credit.validation_report": "reports/v.html",
    },
}


def outcome(auc: float = 0.78, z: float = 1.0, **changes: Any) -> dict[str, Any]:
    panel = Panel(GATES)
    panel.judge("DIS-AUC", auc, low=auc - 0.01, high=auc + 0.01)
    panel.judge("CAL-Z", z)
    return {"verdicts": to_records(panel.verdicts), "error": None, **changes}


def record(found: dict[str, Any]) -> dict[str, Any]:
    return record_validation(CANDIDATE, "cells", "<html>", found, CONTEXT)


def test_a_pass_is_recorded_with_its_evidence() -> None:
    made = record(outcome())
    assert (made["passed"], made["failed_gates"]) == (True, [])
    assert made["candidate"] == CANDIDATE and len(made["verdicts"]) == 2
    assert made["report"] == {"notebook": "reports/v.ipynb", "html": "reports/v.html"}
    assert enforce_validation_gates(made) == {"gates": 1, "passed": True}


def test_the_digest_is_of_both_files() -> None:
    digest = record(outcome())["report_digest"]
    assert digest == report_digest("cells", "<html>")
    assert digest not in {report_digest("cells", "<html> "), report_digest("cells<html>", "")}


def test_a_failing_gate_is_recorded_then_stops_the_run_with_name_and_figure() -> None:
    made = record(outcome(auc=0.71))
    assert not made["passed"]
    said = (
        r"credit 3 did not pass.*DIS-AUC \(AUC of the champion\): 0\.71 \[0\.7, 0\.72\], "
        r"limit >= 0\.75.*reports/v\.html; it is kept"
    )
    with pytest.raises(GateError, match=said):
        enforce_validation_gates(made)


def test_a_failing_check_without_a_gate_stops_nothing() -> None:
    assert record(outcome(z=9.0))["passed"]


def test_a_report_that_stopped_is_a_failure_with_its_cell() -> None:
    error = {"cell": 4, "name": "KeyError", "message": "'scores'"}
    made = record(outcome(error=error))
    with pytest.raises(GateError, match="The report stopped in cell 4: KeyError: 'scores'"):
        enforce_validation_gates(made)


@pytest.mark.parametrize("kept", [[], ["CAL-Z"]], ids=["none at all", "not the gate's"])
def test_a_report_that_left_a_gate_out_is_a_failure(kept: list[str]) -> None:
    verdicts = [v for v in outcome()["verdicts"] if v["code"] in kept]
    made = record(outcome(verdicts=verdicts))
    with pytest.raises(GateError, match="DIS-AUC: no verdict|No verdicts"):
        enforce_validation_gates(made)


# the report


def written(monkeypatch: pytest.MonkeyPatch, detection: dict[str, Any] | None) -> dict[str, Any]:
    """Write a report with a notebook that is not run; return the parameters it would get."""
    from fin_kedro.reports import execution

    given: dict[str, Any] = {}

    def execute(**arguments: Any) -> execution.ReportResult:
        given.update(arguments)
        return execution.ReportResult("cells", "<html>", [], None)

    monkeypatch.setattr(execution, "execute_report", execute)
    settings = {
        "notebook": "r.ipynb",
        "bootstrap_replicates": 9,
        "seed": 1,
        "timeout": 60,
    }
    context = {"env": "ci", "versions": {"credit.scores": "v1"}}
    made = nodes.write_validation_report(CANDIDATE, settings, detection, context, "evidence")
    assert made == ("cells", "<html>", {"verdicts": [], "error": None})
    return given["parameters"]


def test_the_report_is_told_what_a_desk_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    told = written(monkeypatch, {"k": 100})
    assert told["detection"] == {"k": 100}
    assert (told["workflow"], told["versions"]) == ("credit", {"credit.scores": "v1"})


def test_applications_ask_for_no_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, None)["detection"] == {}


def test_a_workflow_may_have_evidence_of_its_own() -> None:
    common, more = create_pipeline(), create_pipeline(extra_evidence=["online_parity"])
    assert more.inputs() - common.inputs() == {"online_parity"}
    assert [n.name for n in more.nodes] == [n.name for n in common.nodes]
