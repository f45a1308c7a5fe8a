"""The notebooks that only CI runs: end to end, on a slice, by papermill and our engine.

Each execution is kept as the first one that `.ci/verify` compares another with (.ci/first.py).
"""

from __future__ import annotations

from pathlib import Path

import papermill
import pytest

from tests.test_tree import load

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "nbs_ci"
first = load("first")
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_some() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.usefixtures("forked_kernels")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_runs_to_its_end(
    path: Path, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIN_KEDRO_TRAINED", str(trained))  # those that can go on from there, do
    kept = first.place(ROOT, f"nbs_ci/{path.name}")
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
    first.keep(kept, (tmp_path / path.name).read_text("utf-8"))


@pytest.mark.slow
def test_what_was_trained_is_the_first_run_of_the_verification(trained: Path) -> None:
    first.keep_run(ROOT, trained)
    same = first.key(ROOT, first.WHOLE) == first.key(trained, first.WHOLE)
    assert first.run_place(ROOT).is_dir() is same  # not where somebody has settings of their own
