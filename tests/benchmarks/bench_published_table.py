"""The published table: the notebook in full, its search included."""

from __future__ import annotations

import shutil
from pathlib import Path

import papermill

from .conftest import Printer

NOTEBOOK = Path(__file__).parents[2] / "notebooks/benchmarks/published_table.ipynb"


def bench_published_table(say: Printer, tmp_path: Path) -> None:
    """Asserts inside the notebook hold AUC of champion and scorecard; here it is printed."""
    executed = papermill.execute_notebook(
        str(NOTEBOOK),
        str(tmp_path / "executed.ipynb"),
        parameters={"peers": True, "trials": 6, "folds": 3, "search_trees": 300},
        cwd=str(NOTEBOOK.parent),
        kernel_name="python3",
        progress_bar=False,
    )
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stdout":
                say(output["text"].rstrip())
    shutil.rmtree(tmp_path, ignore_errors=True)
