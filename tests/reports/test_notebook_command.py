"""`kedro notebooks run` keeps what was executed, with its report, also when a cell failed."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import nbformat
import pytest
from click.testing import CliRunner, Result

from fin_kedro.governance.ledger import Ledger
from fin_kedro.reports.notebook_command import Shown, run_notebook
from fin_kedro.reports.notebook_mlflow import NotebookRun
from fin_kedro.seals.seal import read_seal
from fin_kedro.seals.seal_check import check_on_disk
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    for folder in ("conf/base", "conf/local", "notebooks/risk"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "conf/base/globals.yml").write_text("data: data\n")
    ledger = "risk: {release: {ledger: '${project:data/ledger.sqlite}'}}\n"
    (tmp_path / "conf/base/parameters.yml").write_text(ledger)
    declared = nbformat.v4.new_code_cell(
        'rows: int = 3  # [1..]\nway: str = "1"', id="given", metadata={"tags": ["parameters"]}
    )
    cells = [declared, nbformat.v4.new_code_cell("12 // (rows - 3)\nway", id="divide")]
    kernel = {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "notebooks/risk/limits.ipynb")
    return tmp_path


def run(project: Path, *arguments: str) -> Result:
    path = str(project / "notebooks/risk/limits.ipynb")
    return CliRunner().invoke(run_notebook, [path, *arguments])


def test_it_is_kept_under_the_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIN_KEDRO_SCRATCH")
    result = run(project, "-p", "rows=5", "-p", "way=7")
    assert result.exit_code == 0, result.output
    [kept] = (project / "data/08_reporting/notebooks/risk/limits").glob("*/limits.ipynb")
    assert str(kept) in result.output
    seal = read_seal(kept)
    assert seal["content"]["parameters"] == {"rows": 5, "way": "7"}
    occasion = json.loads((kept.parent / "occasion.json").read_text())
    assert occasion["run"] == kept.parent.name
    assert read_seal(kept.with_suffix(".html"))["digest"] == seal["digest"]
    (entry,) = Ledger(project / "data/ledger.sqlite").entries()
    known = {name: entry.event[name] for name in ("event", "run", "seal", "notebook")}
    assert known == {
        "event": "notebook_sealed", "run": kept.parent.name, "seal": seal["digest"],
        "notebook": "notebooks/risk/limits.ipynb",
    }  # fmt: skip
    found = {f.what: f.verdict for f in check_on_disk(kept, project=project)}
    assert found["ledger entry 1"] == found["outputs"] == "same"


def test_a_failed_one_is_kept_and_said(project: Path, tmp_path: Path) -> None:
    result = run(project, "--to", str(tmp_path / "mine"))
    assert result.exit_code == 1
    assert "ZeroDivisionError in code cell 2 (#divide, `12 // (rows - 3)`)" in result.output
    assert read_seal(tmp_path / "mine/limits.ipynb")["content"]["outcome"] == "failed"


def test_a_wrong_parameter_runs_nothing(project: Path) -> None:
    result = run(project, "-p", "row=5")
    assert result.exit_code == 1
    assert "Did you mean 'rows'?" in result.output
    assert not (project / "data").exists()
    assert "write it as name=value" in run(project, "-p", "rows").output


def test_on_a_terminal_one_line_counts_notebooks_and_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = Shown(["a.ipynb", "b.ipynb"])
    shown.ended(1, None)  # it was refused before its first cell
    shown.progress(0, 1, 4)
    said = capsys.readouterr().err.split("\r")
    assert said[1:] == [
        "  1/2 notebooks, 0/0 cells of those begun",
        "  1/2 notebooks, 1/4 cells of those begun",
    ]


def test_where_the_ledger_cannot_be_written_the_notebook_is_kept_and_that_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIN_KEDRO_SCRATCH")
    monkeypatch.setenv("FIN_KEDRO_SIGNING_KEY", str(project / "pyproject.toml"))
    result = run(project, "-p", "rows=5")
    assert result.exit_code == 1 and "SigningError" in result.output
    assert len([*project.glob("data/08_reporting/notebooks/risk/limits/*/limits.ipynb")]) == 1


def test_mlflow_gets_the_notebook_its_patch_and_its_seal() -> None:
    client = mock.Mock()
    run = NotebookRun(client, "1")
    content = {"data": {"read": {"raw": "a"}}, "subject": {"notebook": "x/n.ipynb"}}
    seal = {"digest": "d", "content": {**content, "outcome": "failed"}}
    run.log(seal, "{}", patch=b"diff", anchors={"ledger_head": "1:a"})
    tags = {tag.key: tag.value for tag in client.log_batch.call_args.kwargs["tags"]}
    assert tags == {"seal": "d", "data.raw": "a", "ledger_head": "1:a"}
    logged = [Path(call.args[1]).name for call in client.log_artifact.call_args_list]
    assert (logged, run.status) == (["n.ipynb", "patch.diff"], "FAILED")


def test_kedro_has_the_command() -> None:
    from fin_kedro.cli.commands import notebooks_group

    assert "run" in notebooks_group.commands
    assert (ROOT / "docs/notebook-execution.md").is_file()
