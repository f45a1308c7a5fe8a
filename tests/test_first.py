"""What tests have executed is the first execution of a verification, while it is current."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fin_kedro.reports.execution import execute_notebook
from fin_kedro.verification.kept_notebook import is_current
from tests.test_tree import ROOT, load

first = load("first")
NAME = "notebooks/sum.ipynb"
CELLS = {"parameters": "n: int = 2  # what to add (things)", "sum": "print(1 + n)"}


def notebook(**cells: str) -> str:
    made = [
        {"cell_type": "code", "id": name, "metadata": {"tags": ["parameters"][: name[0] == "p"]},
         "source": source, "outputs": [], "execution_count": None}
        for name, source in cells.items()
    ]  # fmt: skip
    kernel = {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"}
    content = {"cells": made, "metadata": {"kernelspec": kernel}}
    return json.dumps({**content, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a notebook has been executed and kept as the tests do it."""
    root = tmp_path_factory.mktemp("first") / "root"
    for name, text in {
        "pyproject.toml": '[tool.kedro]\npackage_name = "tiny"\n',
        "conf/base/parameters.yml": "trees: 10\n",
        "src/tiny/__init__.py": "",
        "data/01_raw/table.csv": "a,b\n1,2\n",
        NAME: notebook(**CELLS),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copy(ROOT / "requirements.lock", root)
    kept = first.place(root, NAME)
    result = execute_notebook(notebook=root / NAME, html=False)
    assert result.error is None
    first.keep(kept, result.notebook_json)
    return root


@pytest.fixture
def tree(executed: Path, tmp_path: Path) -> Path:
    """A scratch checkout of the same state."""
    return Path(shutil.copytree(executed, tmp_path / "tree", ignore=shutil.ignore_patterns(".tmp")))


def test_a_current_execution_is_brought_and_taken_as_the_first(executed: Path, tree: Path) -> None:
    assert first.bring_notebooks(executed, tree) == [NAME]
    assert is_current(tree / first.KEPT / NAME, tree / NAME)


@pytest.mark.parametrize(
    "path",
    ["conf/base/parameters.yml", "conf/local/mine.yml", "data/01_raw/table.csv",
     "requirements.lock"],
)  # fmt: skip
def test_what_the_seal_does_not_name_must_be_the_same(
    executed: Path, tree: Path, path: str
) -> None:
    (tree / path).parent.mkdir(exist_ok=True)
    with (tree / path).open("a") as file:
        file.write("\n")
    assert first.bring_notebooks(executed, tree) == []


@pytest.mark.parametrize("path", ["conf/local/signing_key.pem", "conf/__pycache__/x.pyc"])
def test_keys_and_what_python_leaves_change_nothing(executed: Path, tree: Path, path: str) -> None:
    (tree / path).parent.mkdir(exist_ok=True)
    (tree / path).write_text("mine")
    assert first.bring_notebooks(executed, tree) == [NAME]


def test_another_code_is_seen_by_the_seal(executed: Path, tree: Path) -> None:
    (tree / NAME).write_text(notebook(**{**CELLS, "sum": "print(2 + n)"}))
    first.bring_notebooks(executed, tree)
    assert not is_current(tree / first.KEPT / NAME, tree / NAME)


def given_parameters(seal: dict) -> None:
    seal["content"]["parameters"]["n"] = 3


def other_libraries(seal: dict) -> None:
    seal["content"]["environment"]["distributions"] = "0" * 64


@pytest.mark.parametrize("change", [given_parameters, other_libraries])
def test_other_parameters_or_libraries_are_executed_anew(
    executed: Path, tree: Path, change: Callable[[dict], None]
) -> None:
    from fin_kedro.seals.notebook_seal import stored_seal
    from fin_kedro.seals.seal import make_seal

    root = tree.parent / "root"
    shutil.copytree(executed, root)
    kept = first.place(root, NAME)
    content = json.loads(kept.read_text("utf-8"))
    seal = content["metadata"]["fin_kedro"]["seal"]
    change(seal)
    made = make_seal(seal["content"], {})
    content["metadata"]["fin_kedro"]["seal"] = stored_seal(made)
    first.keep(kept, json.dumps(content))
    assert first.bring_notebooks(root, tree) == []


def test_a_torn_execution_is_no_execution(executed: Path, tree: Path) -> None:
    torn = tree.parent / "torn.ipynb"
    torn.write_text((first.place(executed, NAME)).read_text("utf-8")[:-40])
    assert not first.fits(torn, tree)


def test_a_notebook_that_runs_pipelines_rests_on_the_whole_tree(executed: Path, tree: Path) -> None:
    before = {n: first.place(executed, n, tree) for n in (NAME, "nbs_ci/story.ipynb")}
    (tree / "src/tiny/__init__.py").write_text("x = 1\n")
    after = {n: first.place(executed, n, tree) for n in before}
    assert before[NAME] == after[NAME]
    assert before["nbs_ci/story.ipynb"] != after["nbs_ci/story.ipynb"]


@pytest.fixture
def trained(executed: Path, tmp_path: Path) -> Path:
    """A copy of the checkout in which something was trained; it is kept."""
    project = Path(shutil.copytree(executed, tmp_path / "trained"))
    (project / "data/06_models").mkdir()
    (project / "data/06_models/model.json").write_text("{}")
    first.keep_run(executed, project)
    return project


@pytest.mark.parametrize("fresh", [True, False])
def test_a_run_is_brought_whole_or_not_at_all(
    executed: Path, trained: Path, tree: Path, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, "fresh", lambda _: fresh)
    assert first.bring_run(executed, tree) is fresh
    assert (tree / "data/06_models/model.json").exists() is fresh
    assert (tree / "data/01_raw/table.csv").exists()


def test_a_run_of_another_tree_is_neither_kept_nor_brought(
    executed: Path, trained: Path, tree: Path
) -> None:
    (tree / "conf/base/parameters.yml").write_text("trees: 11\n")
    assert not first.bring_run(executed, tree)
    kept = first.run_place(executed)
    shutil.rmtree(kept)
    (trained / "conf/base/parameters.yml").write_text("trees: 11\n")
    first.keep_run(executed, trained)
    assert not kept.exists()


def test_what_is_kept_of_other_states_is_swept(executed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(executed, tmp_path / "root"))
    (root / first.STORE / "0123").mkdir()
    first.sweep(root)
    left = {path.name for path in (root / first.STORE).iterdir()}
    assert first.key(root) in left and left <= {first.key(root), first.key(root, first.WHOLE)}
