"""Cleaning takes out what a run left, and keeps what papermill needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.authoring.cleaning import KERNEL, notebook_text

from .tiny_project import TITLE, notebook, run, save


@pytest.mark.parametrize("folder", ["notebooks", "nbs_ci"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"execution_count": 3}, "execution counts in cell 1"),
        (
            {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]},
            "outputs in cell",
        ),
        ({"metadata": {"scrolled": True}}, "metadata in cell 1"),
    ],
)
def test_a_dirty_notebook_is_named_and_cleaned(
    root: Path, folder: str, change: dict[str, Any], said: str
) -> None:
    content = notebook(TITLE, "print(1)")
    content["cells"][1] |= change
    path = save(root / folder / "dirty.ipynb", content)
    done = run("check")
    assert done.exit_code == 1
    assert f"{folder}/dirty.ipynb: is not clean: {said}" in done.output
    assert f"cleaned    {folder}/dirty.ipynb" in run("clean").output
    assert path.read_text("utf-8") == notebook_text(notebook(TITLE, "print(1)"))
    assert "every notebook was clean" in run("clean").output


def test_cleaning_keeps_parameters_and_the_kernel_s_language(root: Path) -> None:
    content = notebook(TITLE, "rows = 3")
    content["cells"][1]["metadata"] = {"tags": ["parameters"], "papermill": {"status": "done"}}
    content["metadata"] = {"kernelspec": {"name": "python3"}, "papermill": {"duration": 1}}
    path = save(root / "notebooks/report.ipynb", content)
    run("clean", "notebooks/report.ipynb")
    cleaned = json.loads(path.read_text("utf-8"))
    assert cleaned["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert cleaned["metadata"]["kernelspec"] == KERNEL
    assert set(cleaned["metadata"]) == {"kernelspec", "language_info"}
