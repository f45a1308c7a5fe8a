"""Few frauds: weights, undersampling or nothing, on the default simulated bank."""

from __future__ import annotations

from pathlib import Path

import papermill

from .conftest import Printer

NOTEBOOK = Path(__file__).parents[2] / "notebooks/benchmarks/imbalance.ipynb"


def bench_imbalance(say: Printer, tmp_path: Path) -> None:
    """The notebook's asserts hold calibration; ranking and processor time are printed."""
    executed = papermill.execute_notebook(
        str(NOTEBOOK),
        str(tmp_path / "executed.ipynb"),
        parameters={"env": "base", "seeds": 3},
        cwd=str(NOTEBOOK.parent),
        kernel_name="python3",
        progress_bar=False,
    )
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stdout":
                say(output["text"].rstrip())
