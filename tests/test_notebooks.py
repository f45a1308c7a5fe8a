"""Every notebook runs from top to bottom on the project's kernel, so every example in it holds.

A process each, forked from a warm host: a notebook leaves nothing behind and sees nothing of
another. What the host has imported a notebook could lean on without importing it itself;
`FIN_KEDRO_COLD=1` runs them all on kernels that have imported nothing.
Reports (notebooks/validation) are run with parameters in the validation pipeline; nbs_ci has a
test of its own (test_nbs_ci.py). Each execution is sealed, and kept as the first one that
`.ci/verify` compares another with (.ci/first.py).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from fin_kedro.authoring.notebook import read_notebook
from fin_kedro.authoring.project import find_project, notebook_files
from fin_kedro.reports.execution import ReportResult, execute_notebook
from fin_kedro.reports.pool import WARM_IMPORTS
from sealed_kernel.warm import WarmHost
from tests.test_tree import load

pytestmark = pytest.mark.slow

PROJECT = find_project(Path(__file__))
REPORTS = PROJECT.notebooks / "validation"
NOTEBOOKS = [p for p in notebook_files(PROJECT.swept()) if not p.is_relative_to(REPORTS)]
first = load("first")
SKIPS = {"eval", "notest", "skip_exec"}  # nbdev's ways to leave a cell out


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """A warm host for this file; with FIN_KEDRO_COLD=1 none."""
    cold = os.environ.get("FIN_KEDRO_COLD") == "1"
    with contextlib.nullcontext() if cold else WarmHost(WARM_IMPORTS):
        yield


def run(path: Path) -> ReportResult:
    """Run one notebook in its own folder, sealed."""
    return execute_notebook(notebook=path, timeout=900, html=False)


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.is_relative_to(PROJECT.notebooks)], ids=PROJECT.name
)
def test_the_notebook_runs(path: Path) -> None:
    kept = first.place(PROJECT.root, PROJECT.name(path))
    result = run(path)
    assert result.error is None
    first.keep(kept, result.notebook_json)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=PROJECT.name)
def test_no_cell_is_left_out(path: Path) -> None:
    skipped = [c.label for c in read_notebook(path).cells if SKIPS & c.directives.keys()]
    assert not skipped


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if read_notebook(p).module], ids=PROJECT.name
)
def test_a_notebook_that_makes_a_module_has_examples_and_a_picture(path: Path) -> None:
    examples = [c.source for c in read_notebook(path).cells if c.kind == "code" and not c.exported]
    assert any("assert " in source for source in examples)
    assert any("plt." in source or ".plot" in source or "ax." in source for source in examples)


@pytest.mark.parametrize(
    ("last", "name"),
    [
        ("assert False", "AssertionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("import os; os._exit(0)", "DeadKernelError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_failing_notebook_fails(tmp_path: Path, last: str, name: str) -> None:
    content = nbformat.v4.new_notebook()
    content.cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell(last)]
    if "Exit" in last:  # leaving early must not hide a failure further down
        content.cells.append(nbformat.v4.new_code_cell("assert False"))
    path = tmp_path / "failing.ipynb"
    nbformat.write(content, path)
    error = run(path).error
    assert error is not None
    assert (error["name"], error["cell"]) == (name, 2)
