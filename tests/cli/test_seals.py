"""`kedro seal` as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fin_kedro.cli.seals import seal_group
from fin_kedro.governance.ledger import Ledger
from tests.seals.sealed_house import FILES, RUN, make_house

LATER = "2026-11-22T04.00.00.000Z"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two sealed runs, of another parameter; it is the working folder."""
    make_house(tmp_path)
    make_house(tmp_path, run=LATER, scale=3.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(seal_group, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_runs_are_listed_newest_first(house: Path) -> None:
    lines = said("list").splitlines()
    assert [line.split()[0] for line in lines] == [LATER, RUN]
    assert "completed" in lines[0]


def test_one_that_cannot_be_read_hides_no_other(house: Path) -> None:
    digest = said("list").splitlines()[1].split()[1]
    (house / FILES["seal"] / LATER / "seal.json").write_text("{")
    first, second = said("list").splitlines()
    assert first.startswith(f"{LATER}  cannot be read: ") and second.startswith(RUN)
    assert RUN in said("show", digest)


def test_the_latest_is_shown_and_any_by_its_beginning(house: Path) -> None:
    assert LATER in said("show")
    text = said("show", RUN[:14])
    for words in (RUN, "completed", "no git", "metrics", "raw"):
        assert words in text
    assert '"format": "fin-kedro-seal/1"' in said("show", "--json")


def test_a_check_fails_when_the_data_changed(house: Path) -> None:
    assert "differs" not in said("check", RUN)
    (house / FILES["metrics"] / RUN / "metrics.json").write_text("{}")
    assert "1 of 12 differ" in said("check", RUN, code=1)


def test_a_check_says_who_signed_and_that_an_entry_is_gone(house: Path) -> None:
    keys = said("signers")
    key = Ledger(house / "data/governance/ledger.sqlite").signers()[0]
    assert "2 entries, head 2:" in keys and f"{key.key}  not listed, 2 entries" in keys
    assert key.fingerprint in keys and key.text in keys
    head = keys.split("head ")[1].split()[0]
    assert f"signed by {key.key}" in said("check", RUN, "--head", head)
    assert "the tail of the ledger was cut off" in said("check", "--head", f"9{head}", code=1)
    (house / "data/governance/ledger.sqlite").unlink()
    text = said("check", RUN, code=1)
    assert "LedgerError" in text and "with its seals and MLflow's database" in text


def test_two_runs_are_compared(house: Path) -> None:
    table = said("compare", RUN, LATER, "--markdown").splitlines()
    assert table[:2] == ["| what | bytes | content | reason |", "| --- | --- | --- | --- |"]
    assert "| metrics | same | same |  |" in table
    assert "| table | differ | differ | another content |" in table


def test_a_run_is_exported_and_the_next_command_said(house: Path) -> None:
    assert "python -I -S out/verify.py" in said("export", "latest", "--to", "out")
    assert (house / "out/ro-crate-metadata.json").is_file()


def test_an_unknown_run_is_said_without_a_traceback(house: Path) -> None:
    text = said("show", "2019", code=1)
    assert "no run '2019' is sealed" in text and "Traceback" not in text
