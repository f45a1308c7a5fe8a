"""Nodes of validation: run the report, record its outcome, enforce the gates.

The judgement itself is born in notebooks (checks, model_validation); here is only the order of
things.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.governance.approval import conditions, report_digest
from fin_kedro.governance.gates import GateError, enforce_gates


def write_validation_report(
    candidate: Mapping[str, Any],
    report: Mapping[str, Any],
    detection: Mapping[str, Any] | None,
    run_context: Mapping[str, Any],
    *evidence: Any,
) -> tuple[str, str, dict[str, Any]]:
    """Execute the validation notebook on the versions of this run.

    Args:
        candidate: the registered candidate.
        report: ``notebook`` (path), ``bootstrap_replicates``, ``seed``, ``timeout`` (s, one cell).
        detection: what is asked of a fraud desk; None where rows stand for themselves.
        run_context: ``env`` and ``versions`` of the evidence, filled in by the seal hook
            (which also gives ``paths`` and the policy's ``gates``).
        evidence: the datasets the notebook reads; loaded here, so that they exist and are recorded.

    Returns:
        executed notebook (JSON), self-contained HTML, and ``{"verdicts", "error"}``.
    """
    # Imported here: papermill's imports take seconds, and only this node needs them.
    from fin_kedro.reports.execution import execute_report

    del evidence
    result = execute_report(
        notebook=Path(report["notebook"]),
        parameters={
            "workflow": candidate["workflow"],
            "env": run_context["env"],
            "versions": dict(run_context["versions"]),
            "bootstrap_replicates": report["bootstrap_replicates"],
            "seed": report["seed"],
            "as_of": str(report.get("as_of") or ""),
            "detection": dict(detection or {}),
        },
        timeout=report["timeout"],
    )
    return result.notebook_json, result.html, {"verdicts": result.verdicts, "error": result.error}


def record_validation(
    candidate: Mapping[str, Any],
    notebook: str,
    html: str,
    outcome: Mapping[str, Any],
    run_context: Mapping[str, Any],
) -> dict[str, Any]:
    """Say whether the candidate passed, on which report, and which gates failed."""
    failed = _failed(outcome, run_context["gates"])
    return {
        "candidate": dict(candidate),
        "passed": not failed,
        **conditions(run_context["env"], run_context["gates"]),
        "failed_gates": failed,
        "report_digest": report_digest(notebook, html),
        "report": {
            key: run_context["paths"][f"{candidate['workflow']}.{name}"]
            for key, name in (("notebook", "validation_notebook"), ("html", "validation_report"))
        },
        "verdicts": list(outcome["verdicts"]),
    }


def enforce_validation_gates(record: Mapping[str, Any]) -> dict[str, Any]:
    """Raise `GateError` with gate and figure unless the candidate passed."""
    if not record["passed"]:
        candidate = record["candidate"]
        raise GateError(
            f"{candidate['workflow']} {candidate['version']} did not pass validation. "
            f"{' '.join(record['failed_gates'])} Read {record['report']['html']}; it is kept, as "
            "is the executed notebook beside it."
        )
    return {"gates": sum(bool(v["gate"]) for v in record["verdicts"]), "passed": True}


def _failed(outcome: Mapping[str, Any], gates: Mapping[str, Any]) -> list[str]:
    error = outcome["error"]
    if error:
        return [f"The report stopped in cell {error['cell']}: {error['name']}: {error['message']}"]
    try:
        enforce_gates(outcome["verdicts"], gates=gates)
    except GateError as failure:
        return [str(failure)]
    return []
