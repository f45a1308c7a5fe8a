"""DuckDB spills under the data root, each process into its own folder, which goes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fin_kedro.storage.datasets import TableDataset
from fin_kedro.storage.spill import SPILLED
from tests.conftest import ROOT

SPILL = """
import os, signal, sys
from pathlib import Path
from fin_kedro.storage.spill import spill_into
spill_into(Path(sys.argv[1]))
from fin_kedro.storage.datasets import TableDataset
engine = {"backend": "duckdb", "database": ":memory:", "memory_limit": "60MB", "threads": 1}
dataset = TableDataset(filepath=sys.argv[2], connection=engine)
connection = dataset.connection
rows = "SELECT range AS id, hash(range) AS x, repeat('x', 50) AS text FROM range(1500000)"
dataset.save(connection.sql(rows).order_by("x"))
largest = "SELECT current_setting('temp_directory')"
print(connection.raw_sql(largest).fetchall()[0][0])
if sys.argv[3] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def spill(folder: Path, data: Path, end: str) -> str:
    """Sort more than fits, in a process whose working directory is `folder`; return the place."""
    folder.mkdir(exist_ok=True)
    result = subprocess.run(
        [sys.executable, "-c", SPILL, str(data), str(folder.parent / "sorted.parquet"), end],
        cwd=folder, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == (-9 if end == "killed" else 0), result.stderr
    return result.stdout.splitlines()[-1]  # DuckDB may draw its progress before


@pytest.mark.parametrize("name", ["data", "a bank's data"])
def test_what_does_not_fit_goes_under_the_data_root_and_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    place = Path(spill(tmp_path / "typed here", tmp_path / name, "ended"))
    assert place.parent == tmp_path / name
    assert place.name.startswith(SPILLED)
    assert list((tmp_path / name).iterdir()) == []
    assert list((tmp_path / "typed here").iterdir()) == []


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    here, data = tmp_path / "typed here", tmp_path / "data"
    left = data / f"{SPILLED}left"
    left.mkdir(parents=True)
    (left / "duckdb_temp_storage-0.tmp").write_bytes(b"0" * 1000)
    spill(here, data, "ended")
    assert list(data.iterdir()) == []


def test_where_nothing_may_be_written_the_engine_works_in_memory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    from fin_kedro.storage import spill as module

    kept = module._place
    try:
        module._place = module._Place(parent=tmp_path / "data")
        assert module.spill_folder() is None
    finally:
        module._place = kept


def test_an_engine_that_names_its_place_keeps_it(tmp_path: Path) -> None:
    engine = {"backend": "duckdb", "database": ":memory:", "temp_directory": str(tmp_path / "own")}
    connection = TableDataset(filepath=str(tmp_path / "t.parquet"), connection=engine).connection
    found = connection.raw_sql("SELECT current_setting('temp_directory')").fetchall()
    assert found == [(str(tmp_path / "own"),)]
