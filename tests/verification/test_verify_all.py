"""All of a project: what cannot be verified is a row, and stops nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fin_kedro.seals.seal import make_seal
from fin_kedro.verification import verify_all
from fin_kedro.verification.comparison import Rules
from fin_kedro.verification.conditions import World
from tests.seals.sealed_house import FILES, make_house
from tests.verification.table_rows import row


def rows_of(house: Path, monkeypatch: pytest.MonkeyPatch, *only: str) -> list[tuple[str, str]]:
    """Subject and grade of each row, where no run is executed: each holds with A."""
    monkeypatch.setattr(verify_all, "_run_row", lambda *_: row("A"))
    return [(r.subject, r.grade) for r in verify_all.verify_all(house, only=only)]


def test_one_unreadable_seal_is_a_row_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(tmp_path)
    torn = tmp_path / FILES["seal"] / "2026-12-01T00.00.00.000Z/seal.json"
    torn.parent.mkdir()
    for text in ("{", '{"format": "fin-kedro-seal/1", "content": {}}'):
        torn.write_text(text)
        found = rows_of(tmp_path, monkeypatch)
        assert found == [(torn.parent.name, "none"), ("n.ipynb", "A")]
    assert rows_of(tmp_path, monkeypatch, "nothing*") == []
    assert rows_of(tmp_path, monkeypatch, "2026-12-01*") == [(torn.parent.name, "none")]


def test_a_release_is_skipped_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_house(tmp_path)
    sealed = json.loads(path.read_text())
    sealed["content"]["code"]["nodes"] = {"house.build_release": "a" * 64}
    sealed["content"]["steps"] = {"house.build_release": sealed["content"]["steps"]["house.build"]}
    path.write_text(json.dumps(make_seal(sealed["content"], sealed["occasion"])))
    monkeypatch.setattr(verify_all, "_run_row", lambda *_: row("D"))
    said: list[str] = []
    assert verify_all.verify_all(tmp_path, say=said.append) == []
    assert said == [f"skipped: {path.parent.name}, a release; what it made stands in the ledger"]


def test_a_report_that_no_verified_run_made_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(tmp_path)
    report = "notebooks/validation/report.ipynb"
    (tmp_path / report).parent.mkdir(parents=True)
    (tmp_path / report).write_text("{}")
    assert (report, "none") in rows_of(tmp_path, monkeypatch)
    assert rows_of(tmp_path, monkeypatch, "notebooks/validation/*") == [(report, "none")]


def test_a_run_whose_seal_cannot_be_opened_is_a_row(tmp_path: Path) -> None:
    seal_path = make_house(tmp_path)
    content = seal_path.read_text().replace('"env": null', '"env": "../.."', 1)
    seal_path.write_text(content)
    found = verify_all._run_row(tmp_path, seal_path, World(), Rules(), False, lambda _: None)
    assert (found.subject.split(" ")[0], found.grade) == ("__default__", "none")
    assert "The seal was edited" in found.what
