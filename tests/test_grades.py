"""The table of .ci/verify: what is not there, or is no A, is found and named by its condition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_tree import load

grades = load("grades")
TITLE = "second environment, 2 threads"


def rows() -> list[dict[str, Any]]:
    """A run of both workflows, and every notebook."""
    steps = ["credit.train", "fraud.train"]
    run = {"kind": "run", "subject": "__default__", "grade": "A", "what": "", "steps": steps}
    names = grades.notebooks(ROOT)
    return [run] + [{**run, "kind": "notebook", "subject": name, "steps": []} for name in names]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page that shows the table of what was verified, everything at once."""
    (tmp_path / f"{grades.TOGETHER}.json").write_text(json.dumps(rows()))
    (tmp_path / "page.md").write_text(f"# Page\n{grades.BEGIN}{grades.END}\n")
    assert grades.main([str(tmp_path), str(tmp_path / "page.md"), "--write"]) == 0
    return tmp_path / "page.md"


def test_all_a_and_the_same_table_pass(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grades.main([str(page.parent), str(page)]) == 0
    count = len(rows())
    assert capsys.readouterr().out.endswith(
        f"{count} of {count} grades are A: {TITLE}, another process and folder.\n"
    )


def without_workflow(found: list[dict[str, Any]]) -> None:
    found[0]["steps"].remove("fraud.train")


def without_notebook(found: list[dict[str, Any]]) -> None:
    found.pop()


def with_a_b(found: list[dict[str, Any]]) -> None:
    found[3] |= {"grade": "B", "what": "cell 2"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_workflow, f"{TITLE}: no row for fraud"),
        (without_notebook, f"{TITLE}: no row for notebooks/"),
        (with_a_b, f"{TITLE}: B notebooks/"),
    ],
)
def test_what_is_missing_or_no_a_is_named(
    page: Path, capsys: pytest.CaptureFixture[str], change: Any, words: str
) -> None:
    found = rows()
    change(found)
    (page.parent / f"{grades.TOGETHER}.json").write_text(json.dumps(found))
    assert grades.main([str(page.parent), str(page)]) == 1
    assert words in capsys.readouterr().out


def test_each_condition_alone_says_which_one_it_was(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows()
    with_a_b(found)
    (page.parent / f"{grades.TOGETHER}.json").write_text(json.dumps(found))
    for name in grades.SINGLES:
        grade = {"grade": "B", "cause": "threads: it is them"} if name == "threads" else {}
        (page.parent / f"{name}.json").write_text(json.dumps([{**found[3], "grade": "A", **grade}]))
    assert grades.main([str(page.parent), str(page)]) == 1
    said = capsys.readouterr().out
    subject = found[3]["subject"]
    assert f"  again: A {subject}" in said and f"  second environment: A {subject}" in said
    assert f"  2 threads: B {subject}: cell 2; threads: it is them" in said


def test_what_is_no_a_is_asked_for_again_as_only_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows()
    with_a_b(found)
    found[0] |= {"grade": "D", "subject": "credit, fraud, nodes credit.train --env ci"}
    (tmp_path / "together.json").write_text(json.dumps(found))
    assert grades.main(["--doubtful", str(tmp_path / "together.json")]) == 0
    assert capsys.readouterr().out.splitlines() == ["credit", found[3]["subject"]]
    (tmp_path / "together.json").write_text(json.dumps(rows()))
    assert grades.main(["--doubtful", str(tmp_path / "together.json")]) == 0
    assert capsys.readouterr().out == ""


def test_without_a_second_environment_two_threads_are_judged_and_no_page(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (page.parent / f"{grades.TOGETHER}.json").rename(page.parent / "threads.json")
    page.write_text(page.read_text().replace("run `__default__`", "run `credit`"))
    assert grades.main([str(page.parent), str(page)]) == 0
    assert "grades are A: 2 threads, another process" in capsys.readouterr().out


def test_another_table_than_the_page_shows_is_said(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(page.read_text().replace("run `__default__`", "run `credit`"))
    assert grades.main([str(page.parent), str(page)]) == 1
    assert "shows another table. Next: .ci/verify --second-venv --write" in capsys.readouterr().out
