"""The published tables of fraud detection: the notebook in full, prequential folds and search."""

from __future__ import annotations

import shutil
from pathlib import Path

import papermill

from .conftest import Printer

NOTEBOOK = Path(__file__).parents[2] / "notebooks/benchmarks/fraud_published_tables.ipynb"


def bench_fraud_published_tables(say: Printer, tmp_path: Path) -> None:
    """Asserts inside the notebook hold the published figures and ours; here they are printed."""
    executed = papermill.execute_notebook(
        str(NOTEBOOK),
        str(tmp_path / "executed.ipynb"),
        parameters={
            "peers": True,
            "prequential": True,
            "groups": True,
            "trials": 6,
            "search_folds": 4,
            "replicates": 300,
        },
        cwd=str(NOTEBOOK.parent),
        kernel_name="python3",
        progress_bar=False,
    )
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stdout":
                say(output["text"].rstrip())
    shutil.rmtree(tmp_path, ignore_errors=True)
