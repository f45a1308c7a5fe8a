"""Gates: what stops a run when the policy says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class GateError(RuntimeError):
    """A binding check failed or was never made; the message names gates and figures."""


def enforce_gates(
    verdicts: Iterable[Mapping[str, Any]], *, gates: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return `verdicts` (JSON records) when no gate failed.

    `gates`: the policy's `gates` by code. Each binding one must then have at least one verdict,
    whose code is the gate's code or starts with it and a dash (`FAI-AIR` has `FAI-AIR-SEX`).
    Raises GateError naming every failed or missing gate with its figure and limit.
    """
    records = [dict(verdict) for verdict in verdicts]
    if not records:
        raise GateError("No verdicts: a run without checks cannot pass. Run the validation report.")
    problems = [
        describe(record) for record in records if record["gate"] and record["status"] == "fail"
    ]
    problems += [
        f"{code}: no verdict was recorded; the report must make this check"
        for code, gate in (gates or {}).items()
        if gate.get("gate", True) and not any(_belongs(record["code"], code) for record in records)
    ]
    if problems:
        count = f"{len(problems)} gate{'s' * (len(problems) > 1)} failed"
        raise GateError(f"{count}: " + "; ".join(problems) + ". The report shows the evidence.")
    return records


def describe(record: Mapping[str, Any]) -> str:
    """One verdict in one line: code, title, figure with interval, limit, and on what."""
    if record["value"] is None:
        return f"{record['code']} ({record['title']}): {record['detail']}"
    ends = record["low"], record["high"]
    interval = "" if None in ends else f" [{ends[0]:.4g}, {ends[1]:.4g}]"
    figure = f"{record['value']:.4g}{interval}, limit {record['threshold']}"
    what = f"; {record['detail']}" if record["detail"] else ""
    return f"{record['code']} ({record['title']}): {figure}{what}"


def _belongs(verdict_code: str, gate_code: str) -> bool:
    """Whether a verdict's code is the gate's or one of its parts."""
    return verdict_code == gate_code or verdict_code.startswith(f"{gate_code}-")
