"""`make test FAST=1` chooses what a change can reach, says why, and in doubt chooses more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import fast
from tests.test_tree import ROOT

LEAF, BASE, HALL = (
    "src/fin_kedro/rooms/leaf.py",
    "src/fin_kedro/rooms/base.py",
    "src/fin_kedro/hall.py",
)
TEST = "\n\n\ndef test_it():\n    pass\n"
FILES = {
    "pyproject.toml": "[tool.nbdev]\nlib_path = 'src/fin_kedro'\nnbs_path = 'notebooks'\n",
    "conf/base/parameters.yml": "trees: 10\n",
    "docs/page.md": "# A page\n",
    "src/fin_kedro/__init__.py": "",
    "src/fin_kedro/rooms/__init__.py": "",
    BASE: "ONE = 1\n",
    LEAF: "from fin_kedro.rooms.base import ONE\n\nTWO = ONE + 1\n",
    HALL: "from fin_kedro.rooms.leaf import TWO\n",
    "src/fin_kedro/attic.py": "DUST = True\n",
    "tests/__init__.py": "",
    "tests/conftest.py": (
        "import pytest\n\nPARTS = ('conf', 'src', 'docs/page.md')\n\n\ndef kedro(*words):\n"
        "    pass\n\n\n@pytest.fixture\ndef trained():\n    return 'a project'\n"
    ),
    "tests/rooms/samples.py": "from fin_kedro.rooms.base import ONE\n",
    "tests/rooms/test_base.py": f"from tests.rooms.samples import ONE{TEST}",
    "tests/rooms/test_leaf.py": f"from fin_kedro.rooms import leaf{TEST}",
    "tests/test_hall.py": "def test_it():\n    if False:\n        import fin_kedro.hall\n",
    "tests/test_notebooks.py": "def test_the_notebook_runs():\n    pass\n",
    "tests/test_conf.py": f"PATH = 'conf/base/parameters.yml'{TEST}",
    "tests/test_page.py": f"from tests.conftest import PARTS\n\nPAGE = 'page.md'{TEST}",
    "tests/test_run.py": "def test_it(trained):\n    pass\n",
    "tests/test_typed.py": f"from tests.conftest import kedro{TEST}",
    "tests/test_own.py": "def trained():\n    pass\n\n\ndef test_it(trained):\n    pass\n",
}  # fmt: skip
ALL = {name for name in FILES if name.rpartition("/")[2].startswith("test_")}
RUNS = {"tests/test_run.py", "tests/test_typed.py"}
NOTEBOOKS = {
    "notebooks/rooms/leaf.ipynb": "#| default_exp rooms.leaf\nfrom fin_kedro.rooms.base import ONE",
    "notebooks/rooms/user.ipynb": "from fin_kedro.rooms.leaf import TWO",
    "notebooks/reader.ipynb": "settings = open('../conf/base/parameters.yml').read()",
    "notebooks/benchmarks/long.ipynb": "from fin_kedro.rooms.leaf import TWO",
}


def notebook(code: str) -> str:
    """A notebook of one cell, as JSON."""
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": code}
    cell |= {"outputs": [], "execution_count": None}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project: a leaf that rests on a base, a hall above it, and tests of each."""
    made = {name: notebook(code) for name, code in NOTEBOOKS.items()}
    for name, text in {**FILES, **made}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def chosen(root: Path, *changed: str) -> tuple[set[str], set[str], list[str]]:
    """Files of tests, notebooks, and what is said."""
    choice = fast.choose(changed, fast.Tree(root))
    return set(choice.files), set(choice.notebooks), choice.lines


def test_a_changed_leaf_reaches_its_own_tests_and_what_rests_on_it(root: Path) -> None:
    files, notebooks, lines = chosen(root, HALL)
    assert files == {"tests/test_hall.py"}
    assert notebooks == set()
    assert f"  rests on {HALL}: tests/test_hall.py" in lines
    assert lines[-1] == "Left to `make test`: 2 files of tests that start whole runs."


def test_what_rests_on_a_module_in_between_is_reached_too(root: Path) -> None:
    files, notebooks, lines = chosen(root, LEAF)
    assert files == {"tests/rooms/test_leaf.py", "tests/test_hall.py"}
    assert notebooks == {"notebooks/rooms/user.ipynb"}
    assert lines[-1].endswith("2 files of tests that start whole runs and 1 benchmarks.")


def test_a_helper_of_tests_hands_on_what_it_imports(root: Path) -> None:
    files, _, _ = chosen(root, BASE)
    assert files == {"tests/rooms/test_base.py", "tests/rooms/test_leaf.py", "tests/test_hall.py"}
    assert chosen(root, "tests/rooms/samples.py")[0] == {"tests/rooms/test_base.py"}


def test_a_changed_notebook_stands_for_its_module_and_is_executed(root: Path) -> None:
    files, notebooks, _ = chosen(root, "notebooks/rooms/leaf.ipynb")
    assert files == {"tests/rooms/test_leaf.py", "tests/test_hall.py", "tests/test_notebooks.py"}
    assert notebooks == {"notebooks/rooms/leaf.ipynb", "notebooks/rooms/user.ipynb"}


def test_changed_conf_reaches_all_that_read_conf(root: Path) -> None:
    files, notebooks, _ = chosen(root, "conf/base/parameters.yml")
    assert files == {*RUNS, "tests/test_conf.py"}
    assert notebooks == {"notebooks/reader.ipynb"}


def test_a_module_that_no_other_test_reaches_calls_for_whole_runs(root: Path) -> None:
    files, _, lines = chosen(root, "src/fin_kedro/attic.py")
    assert files == RUNS
    assert any("no other test reaches src/fin_kedro/attic.py" in line for line in lines)


@pytest.mark.parametrize(
    "path", ["pyproject.toml", "tests/conftest.py", "src/fin_kedro/gone.py", "something/else.bin"]
)
def test_what_no_graph_knows_means_everything(root: Path, path: str) -> None:
    files, notebooks, lines = chosen(root, path)
    assert files == ALL
    assert notebooks == set(NOTEBOOKS)
    assert any(path in line for line in lines)


def test_a_page_reaches_the_tests_that_name_it(root: Path) -> None:
    assert chosen(root, "docs/page.md")[0] == {"tests/test_page.py"}


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=tiny", "-c", "user.email=tiny@example.org")
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(root: Path) -> Path:
    """The small project under git, with this plugin, on a branch that has left main."""
    shutil.copy(ROOT / "tests/fast.py", root / "tests/fast.py")
    (root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\nkernel/\n*.json\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=first")
    git(root, "checkout", "--quiet", "-b", "work")
    return root


def pytest_fast(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {n: v for n, v in os.environ.items() if n not in (fast.CHOICE, fast.BASE)}
    command = [sys.executable, "-m", "pytest", "tests", "-p", "tests.fast", "-v", *options]
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # starts sooner
    return subprocess.run(
        command,
        cwd=root,
        env={**environment, "PYTHONPATH": str(ROOT / "src"), **alone},
        capture_output=True,
        text=True,
        check=False,
    )


def passed(said: str) -> set[str]:
    return {line.partition("::")[0] for line in said.splitlines() if " PASSED" in line}


def test_nothing_changed_runs_nothing_and_says_so(repository: Path) -> None:
    done = pytest_fast(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing to run" in done.stdout + done.stderr
    assert passed(done.stdout) == set()


def commits(root: Path, paths: Iterable[str]) -> None:
    """One commit that touches some files."""
    for path in paths:
        with (root / path).open("a") as file:
            file.write("\n")
    git(root, "commit", "--quiet", "--all", "--message=another")


def test_only_what_is_chosen_is_collected_of_commits_and_of_the_working_tree(
    repository: Path,
) -> None:
    commits(repository, ["docs/page.md"])
    (repository / HALL).write_text("FOUR = 4\n")
    done = pytest_fast(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed(done.stdout) == {"tests/test_hall.py", "tests/test_page.py"}
    assert done.stdout.startswith("FAST=1: only what a change since ")


def test_workers_choose_as_the_first_process_has(repository: Path) -> None:
    (repository / HALL).write_text("FOUR = 4\n")
    done = pytest_fast(repository, "-p", "xdist.plugin", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_in_this_tree_a_changed_check_starts_no_whole_run() -> None:
    choice = fast.choose(["notebooks/checks/stability.ipynb"], fast.Tree())
    assert "tests/checks/test_stability.py" in choice.files
    assert "notebooks/checks/stability.ipynb" in choice.notebooks
    assert not [name for name in choice.files if name.startswith("tests/end_to_end/")]
