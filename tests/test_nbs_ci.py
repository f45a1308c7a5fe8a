"""The notebooks that only CI runs: end to end, on a slice, by papermill and our engine."""

from __future__ import annotations

from pathlib import Path

import papermill
import pytest

FOLDER = Path(__file__).parents[1] / "nbs_ci"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_some() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    executed = papermill.execute_notebook(
        str(path),
        str(tmp_path / path.name),
        cwd=str(path.parent),
        engine_name="fin-kedro",
        progress_bar=False,
        execution_timeout=300,
    )
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)  # sys.exit(0) would pass papermill
