"""The place of a module says the place of its notebook; lint exceptions name generated modules."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fin_kedro.authoring.notebook import Notebook, read_notebook
from fin_kedro.authoring.project import find_project, notebook_files
from fin_kedro.authoring.translation import header_notebook

PROJECT = find_project(Path(__file__))
MAKERS = [n for n in map(read_notebook, notebook_files([PROJECT.notebooks])) if n.module]
RUFF = tomllib.loads((PROJECT.root / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
MOST_LINES = 400


@pytest.mark.parametrize("notebook", MAKERS, ids=lambda n: str(n.module))
def test_a_notebook_stands_where_its_module_does(notebook: Notebook) -> None:
    place = notebook.path.relative_to(PROJECT.notebooks).with_suffix("").as_posix()
    assert place == str(notebook.module).replace(".", "/")


def generated() -> set[Path]:
    """Modules that notebooks make."""
    return {p for p in PROJECT.package.rglob("*.py") if header_notebook(p) is not None}


def matched(pattern: str) -> set[Path]:
    """Files that a glob names; ruff knows braces, Python does not."""
    found = re.search(r"\{([^}]*)\}", pattern)
    if found is None:
        return set(PROJECT.root.glob(pattern))
    words = found[1].split(",")
    return {p for word in words for p in matched(pattern.replace(found[0], word, 1))}


def test_exceptions_of_lint_and_format_name_the_generated_modules_and_no_other() -> None:
    ignores = RUFF["lint"]["per-file-ignores"]
    linted = [pattern for pattern in ignores if pattern.startswith("src/")]
    for patterns in (linted, RUFF["format"]["exclude"]):
        assert {p for pattern in patterns for p in matched(pattern)} == generated()


def test_no_generated_module_is_long() -> None:
    lines = {p.name: len(p.read_text("utf-8").splitlines()) for p in generated()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
