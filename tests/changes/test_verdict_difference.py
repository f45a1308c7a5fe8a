"""Verdicts of two runs: a changed status comes first."""

from __future__ import annotations

from typing import Any

from fin_kedro.changes.difference_words import difference_lines
from tests.changes.sealed_lab import VERDICT, SealedLab, as_json


def test_verdicts_whose_status_changed_come_first(lab: SealedLab) -> None:
    def report(*found: dict[str, Any]) -> Any:
        return {"credit.verdicts": as_json({"verdicts": [{**VERDICT, **f} for f in found]})}

    first = lab.seal("1", data=report({}, {"code": "KS"}, {"code": "PSI"}))
    second = lab.seal(
        "2",
        data=report(
            {"value": 0.71}, {"code": "KS", "status": "fail"}, {"code": "PSI"}, {"code": "NEW"}
        ),
    )
    found = lab.compare(first, second)
    assert [(v.code, *v.statuses) for v in found.verdicts] == [
        ("KS", "pass", "fail"), ("NEW", "-", "pass"), ("AUC", "pass", "pass"),
    ]  # fmt: skip
    assert found.same_verdicts == 1
    assert "credit KS: pass → fail" in "\n".join(difference_lines(found))
