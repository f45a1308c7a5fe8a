"""Workflows are declared strictly: a misspelt key is refused with file and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.project.config import project_config
from fin_kedro.project.workflows import EventTimeWorkflow, StaticWorkflow, WorkflowError

LOANS = """
loans:
  kind: static
  applications: {contract: loans.odcs.yaml, filepath: loans.csv}
"""
WIRES = """
wires:
  kind: event_time
  transactions: {contract: t.yaml, filepath: "${globals:data}/t.parquet", versioned: true}
  labels: {contract: l.yaml, filepath: l.csv, load_args: {delim: ";"}}
  statistics: a.b:c
  features: a.b:d
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without any workflow."""
    for env in ("base", "own", "local"):
        (tmp_path / "conf" / env).mkdir(parents=True)
    (tmp_path / "conf/base/globals.yml").write_text("data: data\n")
    return tmp_path


def write(project: Path, env: str, text: str) -> None:
    (project / "conf" / env / "workflows.yml").write_text(text)


def test_both_kinds_are_read_with_what_follows(project: Path) -> None:
    write(project, "base", LOANS + WIRES)
    loans, wires = project_config(project).workflows
    assert isinstance(loans, StaticWorkflow) and isinstance(wires, EventTimeWorkflow)
    assert (loans.name, loans.applications.file_format, loans.features) == ("loans", "csv", None)
    assert (loans.evidence, wires.evidence) == ((), ("online_parity", "time_travel"))
    assert wires.transactions.filepath == "data/t.parquet"
    assert (wires.transactions.file_format, wires.simulated) == ("parquet", False)
    assert wires.labels.load_args == {"delim": ";"}


def test_without_declarations_there_is_no_workflow(project: Path) -> None:
    assert project_config(project).workflows == ()


def test_an_environment_adds_changes_and_takes_away(project: Path) -> None:
    write(project, "base", LOANS + WIRES)
    write(project, "own", "wires: null\nloans: {applications: {filepath: mine.parquet}}\n"
          "cars: {kind: static, evidence: [proof],"
          " applications: {contract: c, filepath: f}}")  # fmt: skip
    loans, cars = project_config(project, env="own").workflows
    assert loans.applications.filepath == "mine.parquet"  # type: ignore[attr-defined]
    assert loans.applications.contract == "loans.odcs.yaml"  # type: ignore[attr-defined]
    assert (cars.name, cars.evidence) == ("cars", ("proof",))
    assert [w.name for w in project_config(project).workflows] == ["loans", "wires"]


KINDS = "Allowed: static, event_time."
SETTINGS = "kind, features, words, evidence, applications."
WRONG = {
    "own: {kind: statik}": ("own: kind 'statik' is unknown; did you mean 'static'?", KINDS),
    "own: {applications: {}}": ("own: kind is missing.", KINDS),
    "own: {kidn: static}": ("own: kind is missing; was it meant by 'kidn'?", KINDS),
    "own: static": ("own is 'static'; it must have settings.",),
    "own: {kind: static}": ("own: 'applications' is missing.",),
    "own: {kind: static, name: x}": ("own: 'name' is unknown; the key above is the name.",),
    "loans: {fetures: a:b}": (
        "loans: 'fetures' is unknown; did you mean 'features'?", SETTINGS),
    "loans: {statistics: a:b}": ("loans: 'statistics' is unknown.", SETTINGS),
    "loans: {applications: {contrat: a}}": (
        "loans: 'applications.contrat' is unknown; did you mean 'contract'?",
        "Allowed: contract, filepath, file_format, versioned, load_args."),
    "loans: {applications: {file_format: xls}}": (
        "loans: 'applications.file_format' is 'xls': Input should be 'csv' or 'parquet'.",),
    "loans: {words: {row: loan, bed: default}}": (
        "loans: 'words.bed' is unknown; did you mean 'bad'?",
        "Allowed: row, rows, bad, accept, refuse."),
    "Loans-2: {kind: static, applications: {contract: a, filepath: b}}": (
        "Loans-2: 'name' is 'Loans-2': a name has small letters",),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_the_file(project: Path, text: str) -> None:
    write(project, "base", LOANS)
    write(project, "own", text)
    with pytest.raises(WorkflowError) as refused:
        project_config(project, env="own").workflows  # noqa: B018
    said = str(refused.value)
    assert said.startswith("conf/own/workflows.yml, line 1: ")
    for words in WRONG[text]:
        assert words in said


def test_the_file_is_the_one_that_states_the_setting(project: Path) -> None:
    write(project, "base", LOANS.replace("contract", "contrat"))
    write(project, "own", "loans: {features: a:b}")
    with pytest.raises(
        WorkflowError, match=r"^conf/base/workflows.yml, line 4: loans: 'applications.con"
    ):
        project_config(project, env="own").workflows  # noqa: B018
