"""A seal against the disk, and two seals against each other."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from fin_kedro.governance.ledger import LedgerError
from fin_kedro.seals.seal import SealError, read_seal
from fin_kedro.seals.seal_check import Finding, check_on_disk, compare_kinds, compare_seals
from fin_kedro.verification.entries import entered
from tests.seals.sealed_house import FILES, RUN, make_house


def verdicts(project: Path, seal: Path) -> dict[str, str]:
    return {found.what: found.verdict for found in check_on_disk(seal, project=project)}


def test_what_was_left_alone_is_the_same(tmp_path: Path) -> None:
    found = verdicts(tmp_path, make_house(tmp_path))
    assert {"raw", "table", "points", "figure", "metrics", "ledger entry 1"} < set(found)
    assert set(found.values()) == {"same"}


def test_what_was_changed_or_deleted_since_is_named(tmp_path: Path) -> None:
    seal = make_house(tmp_path)
    (tmp_path / FILES["metrics"] / RUN / "metrics.json").write_text('{"mean": 1.7500001}')
    (tmp_path / FILES["points"] / RUN / "points.csv").unlink()
    found = verdicts(tmp_path, seal)
    assert {what: v for what, v in found.items() if v != "same"} == {
        "metrics": "differs", "points": "gone",
    }  # fmt: skip


def test_what_was_only_written_otherwise_is_the_same(tmp_path: Path) -> None:
    seal = make_house(tmp_path)
    metrics = tmp_path / FILES["metrics"] / RUN / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()), indent=9))
    assert verdicts(tmp_path, seal)["metrics"] == "same"


def test_a_broken_seal_or_ledger_is_an_error(tmp_path: Path) -> None:
    seal = make_house(tmp_path)
    content = seal.read_text()
    seal.write_text(content.replace('"outcome": "completed"', '"outcome": "failed"'))
    with pytest.raises(SealError, match="broken"):
        check_on_disk(seal, project=tmp_path)
    seal.write_text(content)
    connection = sqlite3.connect(tmp_path / "data/governance/ledger.sqlite")
    connection.execute("DROP TRIGGER no_update")
    connection.execute("UPDATE ledger SET event = replace(event, 'completed', 'failed')")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="broken at entry 1"):
        check_on_disk(seal, project=tmp_path)


def test_a_seal_made_anew_is_not_the_one_in_the_ledger(tmp_path: Path) -> None:
    seal = make_house(tmp_path)
    other = read_seal(make_house(tmp_path / "other", scale=3.0))
    seal.write_text(json.dumps(other))
    (entry,) = [f for f in check_on_disk(seal, project=tmp_path) if f.what == "ledger entry 1"]
    assert isinstance(entry, Finding) and entry.verdict == "differs"
    cause, notes = entered(other, seal, project=tmp_path, env=None)
    assert cause is not None and (cause.kind, notes) == ("seal", ())
    assert f"states {entry.detail[7:19]}" in cause.sentence and "made anew" in cause.sentence


def test_a_seal_that_the_ledger_does_not_know_is_said(tmp_path: Path) -> None:
    seal = make_house(tmp_path)
    text = seal.read_text()
    seal.write_text(text.replace(RUN, "2030-01-01"))  # the run's id is not hashed
    assert verdicts(tmp_path, seal)["ledger entry 1"] == "same"  # the folder's name tells it
    elsewhere = tmp_path / "seal.json"
    elsewhere.write_text(seal.read_text())
    assert verdicts(tmp_path, elsewhere)["ledger entry"] == "gone"
    cause, (note,) = entered(read_seal(elsewhere), elsewhere, project=tmp_path, env=None)
    assert cause is None and "no entry run_sealed of 2030-01-01" in note and RUN in note
    (tmp_path / "data/governance/ledger.sqlite").unlink()
    seal.write_text(text)
    with pytest.raises(LedgerError, match="rolled back, replaced or deleted: the seal of run"):
        verdicts(tmp_path, seal)  # no seal is held against a ledger that was taken away


def test_two_runs_are_compared_by_bytes_and_content(tmp_path: Path) -> None:
    one, two, three = (
        read_seal(make_house(tmp_path / name, **changes))  # type: ignore[arg-type]
        for name, changes in (("a", {}), ("b", {}), ("c", {"scale": 3.0}))
    )
    assert one["content"] == two["content"]
    assert {row[1:] for row in compare_seals(one, two)} <= {("same", "same", ""), ("", "same", "")}
    rows = {row[0]: row[1:] for row in compare_seals(one, three)}
    assert rows["(parameters)"] == ("", "differ", "scale")
    assert rows["table"] == ("differ", "differ", "another content")
    assert rows["figure"] == rows["metrics"] == ("same", "same", "")
    two["occasion"]["datasets"]["metrics"]["file_sha256"] = "0"
    del two["content"]["data"]["written"]["points"]
    rows = {row[0]: row[1:] for row in compare_seals(one, two)}
    assert rows["metrics"] == ("differ", "same", "only the way it is written differs")
    assert rows["points"][2] == "only in the first run"


def test_two_runs_are_counted_by_kind(tmp_path: Path) -> None:
    one, two = (
        read_seal(make_house(tmp_path / name, scale=scale))
        for name, scale in (("a", 2.0), ("b", 3.0))
    )
    rows = {row[0]: row[1:] for row in compare_kinds(one, two)}
    assert rows["2 x model, policy, figures (JSON)"] == ("2 same", "2 same", "")
    assert rows["1 x table (CSV)"] == ("0 same, 1 not", "0 same, 1 not", "another content")
