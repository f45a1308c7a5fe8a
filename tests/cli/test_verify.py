"""`kedro verify` as a person types it: refusals, exit status, and its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fin_kedro.cli.verify import verify_command
from fin_kedro.verification.comparison import Rules
from fin_kedro.verification.table import Row
from tests.commands import forking
from tests.conftest import kedro
from tests.end_to_end.tiny_project import commit, make_tiny, replace, write
from tests.seals.sealed_house import make_house

PARAMETERS = "conf/base/parameters.yml"


def typed(project: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(project)
    return CliRunner().invoke(verify_command, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a run, `latest`, a notebook or a report"),
        (["latest", "--all"], "leave 'latest' out"),
        (["latest", "--with", "luck=now"], "write code=now, code=REVISION, data=now"),
        (["latest", "--with", "data=yesterday"], "data is `sealed` or `now`"),
        (["latest"], "no run is sealed in"),
        (["latest", "--only", "credit"], "--only chooses among all; give --all"),
        (["--all", "--only", "typo"], "nothing to verify: no notebook or pipeline fits typo"),
    ],
)
def test_what_cannot_be_verified_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    project = make_tiny(tmp_path / "tiny")
    result = typed(project, *arguments, monkeypatch=monkeypatch)
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())


def test_the_grade_that_holds_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(tmp_path)
    write(tmp_path / "conf/base/globals.yml", "data: data\n")

    def graded(*given: Any) -> Row:
        rules = next(one for one in given if isinstance(one, Rules))
        return Row(kind="run", subject="house", grade="B", holds=rules.accepts("B"))

    monkeypatch.setattr("fin_kedro.verification.verify_all._run_row", graded)
    assert typed(tmp_path, "--all", monkeypatch=monkeypatch).exit_code == 0
    assert typed(tmp_path, "--all", "--at-least", "A", monkeypatch=monkeypatch).exit_code == 1


@pytest.mark.slow
def test_a_run_is_verified_from_its_seal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Own settings, uncommitted code and moved data of the run are all brought back."""
    project = make_tiny(tmp_path / "tiny")
    write(project / "conf/local/parameters.yml", "model: {ridge: 0.5}\n")
    replace(project, "src/tiny/nodes.py", "-4 * (risk", "-5 * (risk")
    done = kedro(project, "run", "--params", "decision.threshold=0.4")
    assert done.returncode == 0, done.stderr

    write(project / "conf/local/parameters.yml", "model: {ridge: 0.7}\n")
    replace(project, "src/tiny/nodes.py", "-5 * (risk", "-7 * (risk")
    raw = project / "data/01_raw/applications.csv"
    next(raw.iterdir()).rename(raw / "2025-05-05T00.00.00.000Z")
    commit(project)

    result = typed(project, "latest", "--json", str(tmp_path / "out.json"), monkeypatch=monkeypatch)
    assert result.exit_code == 0, result.output
    assert "A  identical" in result.output and "5 of 5 outputs identical" in result.output
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["grade"] == "A" and said["cause"] is None
    notes = " ".join(said["notes"])
    assert "with its uncommitted changes" in notes
    assert "model.ridge = 0.5" in notes and "decision.threshold" not in notes
    assert "applications: elsewhere" in notes

    with forking("rerun.py"):  # the cold execution is the one above
        other = typed(project, "latest", "--with", "parameters=now", monkeypatch=monkeypatch)
    assert other.exit_code == 1
    assert "D  differs" in other.output and "cause: parameters" in other.output
    assert "model.ridge: 0.5 became 0.7" in other.output
    assert not list((project / ".git").glob("worktrees/*"))

    far = tmp_path / "far/scores.parquet"
    replace(project, "conf/base/catalog.yml", "data/07/scores.parquet", str(far))
    with forking("rerun.py"):
        outside = typed(project, "latest", "--with", "code=now", monkeypatch=monkeypatch)
    assert outside.exit_code == 1 and not far.parent.exists()
    assert f"'scores' has its filepath at {far}, outside the project" in outside.output
