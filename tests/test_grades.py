"""The table of .ci/verify: what is not there, or is no A, is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_tree import load

grades = load("grades")


def rows() -> list[dict[str, Any]]:
    """A run of both workflows, and every notebook."""
    steps = ["credit.train", "fraud.train"]
    run = {"kind": "run", "subject": "__default__", "grade": "A", "what": "", "steps": steps}
    names = grades.notebooks(ROOT)
    return [run] + [{**run, "kind": "notebook", "subject": name, "steps": []} for name in names]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page that shows one table, under every condition."""
    for name in grades.COLUMNS:
        (tmp_path / f"{name}.json").write_text(json.dumps(rows()))
    (tmp_path / "page.md").write_text(f"# Page\n{grades.BEGIN}{grades.END}\n")
    assert grades.main([str(tmp_path), str(tmp_path / "page.md"), "--write"]) == 0
    return tmp_path / "page.md"


def test_all_a_and_the_same_table_pass(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grades.main([str(page.parent), str(page)]) == 0
    count = 3 * len(rows())
    assert capsys.readouterr().out.endswith(
        f"{count} of {count} grades are A, under 3 conditions.\n"
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
        (without_workflow, "2 threads: no row for fraud"),
        (without_notebook, "2 threads: no row for notebooks/"),
        (with_a_b, "2 threads: B notebooks/"),
    ],
)
def test_what_is_missing_or_no_a_is_named(
    page: Path, capsys: pytest.CaptureFixture[str], change: Any, words: str
) -> None:
    found = rows()
    change(found)
    (page.parent / "threads.json").write_text(json.dumps(found))
    assert grades.main([str(page.parent), str(page)]) == 1
    assert words in capsys.readouterr().out


def test_another_table_than_the_page_shows_is_said(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(page.read_text().replace("run `__default__`", "run `credit`"))
    assert grades.main([str(page.parent), str(page)]) == 1
    assert "shows another table. Next: .ci/verify --second-venv --write" in capsys.readouterr().out
