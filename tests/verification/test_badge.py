"""The badge: grades counted, and the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

from fin_kedro.verification.badge import draw_badge, write_badge
from fin_kedro.verification.table import grades_words
from tests.verification.conf_project import project
from tests.verification.table_rows import row


def test_the_badge_counts_grades_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [row("A"), row("A"), row("C")]
    assert grades_words(rows) == "2 A, 1 C"
    badge = write_badge(rows, project(tmp_path))
    text = badge.read_text()
    assert "verified: 2 A, 1 C" in text and text == draw_badge("verified", "2 A, 1 C", "C")
    assert write_badge(rows, tmp_path).read_text() == text
    stated = json.loads(badge.with_name("verify.json").read_text())
    assert (stated["grade"], stated["message"], len(stated["rows"])) == ("C", "2 A, 1 C", 3)


def test_a_badge_of_what_could_not_be_executed_is_grey() -> None:
    assert "#757575" in draw_badge("verified", "nothing to verify", "none")
    assert grades_words([]) == "nothing to verify"
