"""Every notebook runs from top to bottom, so every example in it holds.

One process each: a notebook can neither lean on what another imported nor leave anything behind.
Reports (notebooks/validation) are run by papermill, with parameters, in the validation pipeline;
nbs_ci has a test of its own (test_nbs_ci.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fin_kedro.authoring import find_project, notebook_files, read_notebook

PROJECT = find_project(Path(__file__))
REPORTS = PROJECT.notebooks / "validation"
NOTEBOOKS = [p for p in notebook_files(PROJECT.swept()) if not p.is_relative_to(REPORTS)]
SKIPS = {"eval", "notest", "skip_exec"}  # nbdev's ways to leave a cell out
SENTINEL = "notebook ran to its end"
RUN = f"""
import sys
from nbdev.test import test_nb
passed, seconds = test_nb(sys.argv[1], skip_flags=[], profile=False)
if passed:
    print("{SENTINEL}")
sys.exit(not passed)
"""


def run(path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run one notebook in its own folder; `home` takes what IPython and matplotlib keep."""
    env = os.environ | {"IPYTHONDIR": str(home / "ipython"), "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", RUN, str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, check=False, timeout=900
    )


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.is_relative_to(PROJECT.notebooks)], ids=PROJECT.name
)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    done = run(path, tmp_path)
    assert done.returncode == 0, done.stderr[-6000:]
    assert SENTINEL in done.stdout


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
    "last", ["assert False", "raise SystemExit(0)", "import os; os._exit(0)", "1 / 0"]
)
def test_a_failing_notebook_fails(tmp_path: Path, last: str) -> None:
    import nbformat

    content = nbformat.v4.new_notebook()
    content.cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell(last)]
    if "Exit" in last:  # leaving early must not hide a failure further down
        content.cells.append(nbformat.v4.new_code_cell("assert False"))
    path = tmp_path / "failing.ipynb"
    nbformat.write(content, path)
    done = run(path, tmp_path)
    assert SENTINEL not in done.stdout
