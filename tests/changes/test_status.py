"""The state of nodes and reports in words, and the commands that print them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fin_kedro.changes import status as words
from fin_kedro.changes.staleness import NodeState, Plan, Reason
from fin_kedro.cli.changes import diff, status
from fin_kedro.seals.seal import make_seal
from tests.changes.run_lab import CODE, PIPELINE, Lab, make_lab

STATES = {
    "one": NodeState("one", "fresh", run="1"),
    "two": NodeState("two", "stale", tuple(Reason("code", m, "changed") for m in "abcdef")),
    "three": NodeState("three", "downstream", after=("two",)),
}


def test_each_node_has_a_line_that_says_why() -> None:
    reports = {"r": {"path": "data/r.html", "state": "downstream", "why": ""}}
    assert words.status_lines(STATES, reports, " --env ci") == [
        "fresh       one",
        "stale       two    code: a changed; code: b changed; code: c changed; code: d changed; "
        "and 2 more",
        "downstream  three  after two",
        "",
        "downstream  data/r.html",
        "",
        "1 stale, 1 downstream, 1 fresh.",
        "Next: kedro run --stale --env ci",
    ]


def test_where_everything_is_fresh_there_is_nothing_next() -> None:
    lines = words.status_lines({"one": STATES["one"]}, {}, "")
    assert lines[-1] == "everything is fresh (1 node)."


def test_a_plan_names_causes_helpers_and_what_may_follow() -> None:
    states = {**STATES, "memory": NodeState("memory", "fresh")}
    lines = words.stale_lines(Plan(states, ("memory", "two", "three")))
    assert lines[0].startswith("two     stale     code: a changed")
    assert lines[1:] == [
        "also memory, because what they make is only in memory",
        "then, each only if what it reads has changed: three",
    ]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project with one sealed run, in which the commands are typed."""
    lab = make_lab(tmp_path, monkeypatch)
    lab.write("pyproject.toml", '[tool.kedro]\npackage_name = "p"\nproject_name = "p"\n')
    lab.run("2026-01-01T00.00.00.000Z")
    monkeypatch.setattr(words, "chosen_pipeline", lambda _: PIPELINE)
    return lab


def test_the_command_prints_words_or_json(project: Lab) -> None:
    shown = CliRunner().invoke(status, [])
    assert shown.output.splitlines()[:2] == ["fresh       make", "fresh       read"]
    found = json.loads(CliRunner().invoke(status, ["--json", "--params", "depth=9"]).output)
    assert found["nodes"]["make"]["state"] == "stale"
    assert found["nodes"]["make"]["reasons"] == [
        {"kind": "parameters", "what": "depth", "detail": "4 → 9"}
    ]
    said = CliRunner().invoke(status, ["--params", "depth=9", "--tags", "a,b"]).output
    assert said.splitlines()[-1] == "Next: kedro run --stale --tags a,b --params depth=9"


def executed(project: Lab, source: str, read: str) -> Path:
    """A notebook that `kedro notebooks run` executed, with its seal."""
    notebook: dict[str, Any] = {
        "cells": [{"cell_type": "code", "id": "a", "source": source, "outputs": []}]
    }
    path = project.write("notebooks/n.ipynb", json.dumps(notebook))
    from fin_kedro.seals.modules import notebook_hash, prose_hash

    name = "notebooks/n.ipynb"
    code = {
        "modules": {},
        "notebooks": {name: notebook_hash(path)},
        "prose": {name: prose_hash(path)},
    }
    content = {
        "kind": "notebook",
        "subject": {"notebook": name, "env": None},
        "environment": {},
        "code": code,
        "parameters": {},
        "steps": {},
        "data": {"read": {"raw": read}, "written": {}},
        "outcome": "completed",
    }
    metadata = {"fin_kedro": {"seal": make_seal(content, {})}}
    kept = json.dumps({**notebook, "metadata": metadata})
    return project.write("data/08_reporting/notebooks/n/1/n.ipynb", kept)


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        (None, "fresh", ""),
        (("notebooks/n.ipynb", "x = 1", "x = 2"), "stale", "code: notebooks/n.ipynb changed"),
        (("data/raw.json", "1", "2"), "stale", "data: raw changed"),
        (("data/08_reporting/notebooks/n/1/n.ipynb", "fin-kedro-seal", "x"), "unknown", ""),
    ],
)
def test_executed_notebooks_are_listed_by_their_own_seals(
    project: Lab, change: tuple[str, str, str] | None, state: str, why: str
) -> None:
    from fin_kedro.storage.canonical import content_hash

    path = executed(project, "x = 1", content_hash(project.root / "data/raw.json"))
    if change:
        name, old, new = change
        file = project.root / name
        file.write_text(file.read_text().replace(old, new))
    (found,) = words.notebook_states(words.open_judge()).values()
    assert found["state"] == state
    assert why in found["why"]
    assert found["path"] == path.relative_to(project.root).as_posix()


def test_diff_of_two_runs_on_the_terminal_and_as_a_page(project: Lab, tmp_path: Path) -> None:
    changed = {"depth": 6, "policy": {"gates": {}}}
    project.run("2026-02-01T00.00.00.000Z", parameters=changed, code={**CODE_OF_A_RUN})
    done = CliRunner().invoke(diff, ["2026-01", "--to", "pages/diff.html"])
    assert done.exit_code == 0, done.output
    assert "parameters: depth 4 → 6" in done.output
    assert done.output.splitlines()[-1] == "read pages/diff.html"
    assert "depth" in (tmp_path / "pages/diff.html").read_text()
    missing = CliRunner().invoke(diff, ["2025"])
    assert missing.exit_code == 1
    assert "no run '2025' is sealed" in missing.output


CODE_OF_A_RUN = {"modules": CODE, "notebooks": {}}
