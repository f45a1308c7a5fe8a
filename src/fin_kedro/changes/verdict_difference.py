"""Checks of the reports of two runs, or of two executed notebooks, whose outcome differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fin_kedro.changes.runs import NOTEBOOK, Run, datasets_ending, read_json
from fin_kedro.checks.verdict import SEVERITY, of_today
from fin_kedro.reports.record import RecordError, read_record


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """One check of a report before and after: statuses, figures, limits."""

    workflow: str
    code: str
    title: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def statuses(self) -> tuple[str, str]:
        """The two statuses; ``-`` where a run had no such check."""
        found = [str(v["status"]) if v else "-" for v in (self.before, self.after)]
        return found[0], found[1]


def compare_verdicts(runs: tuple[Run, Run]) -> tuple[tuple[VerdictChange, ...], int]:
    """Checks whose outcome differs, a changed status first; and how many do not."""
    found: list[VerdictChange] = []
    same = 0
    own = [NOTEBOOK] * all(run.executed for run in runs)
    for name in datasets_ending(runs, ".verdicts") or own:
        tables = [{v["code"]: v for v in _recorded(run, name)} for run in runs]
        for code in {**tables[0], **tables[1]}:
            before, after = tables[0].get(code), tables[1].get(code)
            if before == after:
                same += 1
                continue
            title = (after or before or {})["title"]
            workflow = name.removesuffix(".verdicts")
            found.append(
                VerdictChange(workflow=workflow, code=code, title=title, before=before, after=after)
            )
    found.sort(key=_by_change_of_status)
    return tuple(found), same


def _recorded(run: Run, name: str) -> list[dict[str, Any]]:
    """The verdicts of a run's report, or those that an executed notebook recorded."""
    if run.executed is None:
        return [of_today(v) for v in (run.load_json(name) or {}).get("verdicts", ())]
    try:
        return read_record(read_json(run.executed))
    except RecordError:
        return []


def _by_change_of_status(change: VerdictChange) -> tuple[bool, int, bool, str]:
    before, after = change.statuses
    gate = bool((change.after or change.before or {}).get("gate"))
    return before == after, SEVERITY.get(after, len(SEVERITY)), not gate, change.code
