"""A changed cell changes the model; a module changed by hand is found, with notebook and cell."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import kedro
from tests.end_to_end.evidence import newest, read_json, sha256

pytestmark = pytest.mark.slow

NOTEBOOK = "notebooks/features/credit.ipynb"
TUTORIAL = "notebooks/tutorial/first_feature.ipynb"
MODULE = "src/fin_kedro/features/credit.py"
OLD, NEW = "return 4.0 * last + 2.0 * second + third", "return 9.0 * last + second + third"


def edit_cell(notebook: Path) -> str:
    """Change one exported cell as a person would in JupyterLab; return its id."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    (cell,) = [c for c in content["cells"] if OLD in "".join(c["source"])]
    cell["source"] = "".join(cell["source"]).replace(OLD, NEW).splitlines(keepends=True)
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(cell["id"])


def test_a_changed_cell_changes_the_model(trained_copy: Path) -> None:
    champion = trained_copy / "data/06_models/credit/champion.json"
    seal = trained_copy / "data/08_reporting/seal.json"
    features = trained_copy / "data/05_model_input/credit/model_table.parquet"
    before = sha256(newest(champion)), sha256(newest(features)), read_json(seal)
    edit_cell(trained_copy / NOTEBOOK)

    exported = kedro(trained_copy, "notebooks", "export")
    assert exported.returncode == 0, exported.stderr
    (changed,) = [line for line in exported.stdout.splitlines() if "changed  " in line[:12]]
    assert MODULE in changed and NOTEBOOK in changed

    run = kedro(trained_copy, "run", "--env", "ci", "--to-nodes", "credit.train_champion")
    assert run.returncode == 0, run.stderr
    assert sha256(newest(features)) != before[1]
    assert sha256(newest(champion)) != before[0]
    assert read_json(seal)["content"]["code"] != before[2]["content"]["code"]


def test_the_last_cell_of_the_tutorial_is_copied_as_it_stands(trained_copy: Path) -> None:
    cells = json.loads((trained_copy / TUTORIAL).read_text(encoding="utf-8"))["cells"]
    block = "".join(cells[-1]["source"]).removeprefix("```python\n").removesuffix("\n```")
    assert "```" not in block
    notebook = trained_copy / NOTEBOOK
    content = json.loads(notebook.read_text(encoding="utf-8"))
    cell = {"cell_type": "code", "id": "copied", "metadata": {}, "execution_count": None}
    content["cells"].append({**cell, "outputs": [], "source": block.splitlines(keepends=True)})
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert kedro(trained_copy, "notebooks", "clean").returncode == 0  # JupyterLab's saving does it
    exported = kedro(trained_copy, "notebooks", "export")
    assert exported.returncode == 0, exported.stderr
    checked = kedro(trained_copy, "notebooks", "check")
    assert checked.returncode == 0, checked.stderr
    run = kedro(trained_copy, "run", "--env", "ci", "--to-nodes", "credit.build_model_table")
    assert run.returncode == 0, run.stderr
    table = pd.read_parquet(newest(trained_copy / "data/05_model_input/credit/model_table.parquet"))
    assert set(table["months_little_paid"]) == {0, 1, 2, 3, 4, 5}


def test_a_module_changed_by_hand_is_found(trained_copy: Path) -> None:
    module = trained_copy / MODULE
    module.write_text(module.read_text(encoding="utf-8").replace(OLD, NEW), encoding="utf-8")
    checked = kedro(trained_copy, "notebooks", "check")
    assert checked.returncode == 1
    for words in (NOTEBOOK, "cell", NEW, f"kedro notebooks update {MODULE}"):
        assert words in checked.stderr, checked.stderr
