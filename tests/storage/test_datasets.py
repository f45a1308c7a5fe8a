"""Our datasets: equal models are equal bytes, broken ones are not written, versions are Kedro's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import onnx
import pandas as pd
import pyarrow.parquet as pq
import pytest
from kedro.io import DataCatalog, Version
from kedro.io.core import DatasetError

from fin_kedro.storage.datasets import OnnxDataset, TableDataset
from tests.conftest import ROOT
from tests.serving.tiny_package import tiny_graph


def model() -> onnx.ModelProto:
    return onnx.load_from_string(tiny_graph())


def test_a_graph_comes_back_as_it_was(tmp_path: Path) -> None:
    dataset = OnnxDataset(filepath=str(tmp_path / "deep" / "m.onnx"))
    dataset.save(model())
    assert dataset.load() == model()


def test_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        OnnxDataset(filepath=str(tmp_path / name)).save(model())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("columns", "groups"), [(3, [2500]), (4000, [2048, 452])])
def test_a_wide_table_is_written_in_groups_of_fewer_rows(
    tmp_path: Path, columns: int, groups: list[int]
) -> None:
    """The engine holds a group whole; 16 million cells, but never fewer rows than a vector."""
    data = TableDataset(
        filepath=str(tmp_path / "wide.parquet"),
        file_format="parquet",
        connection={"backend": "duckdb", "database": ":memory:"},
    )
    zeros = ", ".join(f"0::TINYINT AS c{place}" for place in range(columns - 1))
    rows = data.connection.sql(f"SELECT i, {zeros} FROM range(2500) AS t(i)")
    data.save(rows)
    written = pq.ParquetFile(tmp_path / "wide.parquet").metadata
    assert [written.row_group(i).num_rows for i in range(written.num_row_groups)] == groups
    assert data.load().count().execute() == 2500


def test_a_table_beyond_the_engines_memory_says_which_line_gives_it_more(tmp_path: Path) -> None:
    data = TableDataset(
        filepath=str(tmp_path / "wide.parquet"),
        file_format="parquet",
        connection={"backend": "duckdb", "database": ":memory:", "memory_limit": "1MB"},
    )
    rows = data.connection.sql("SELECT i, i::VARCHAR AS t FROM range(3000000) AS t(i) ORDER BY t")
    with pytest.raises(DatasetError, match=r"2 columns does not fit.*1MB.*memory_limit: 3GB"):
        data.save(rows)


def test_an_invalid_graph_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    broken = model()
    broken.graph.node[0].input[0] = "from nowhere"
    with pytest.raises(DatasetError, match="from nowhere"):
        OnnxDataset(filepath=str(tmp_path / "folder" / "m.onnx")).save(broken)
    assert list(tmp_path.iterdir()) == []


def test_each_version_is_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    for version in ("1", "2"):
        OnnxDataset(filepath=path, version=Version(None, version)).save(model())
    assert sorted(p.name for p in (tmp_path / "m.onnx").iterdir()) == ["1", "2"]
    with pytest.raises(DatasetError, match="must not exist"):
        OnnxDataset(filepath=path, version=Version(None, "2")).save(model())


def test_a_logged_dataset_keeps_the_catalogs_version(tmp_path: Path) -> None:
    logged = {
        "type": "fin_kedro.storage.datasets.LoggedDataset",
        "versioned": True,
        "dataset": {"type": "json.JSONDataset", "filepath": str(tmp_path / "logged.json")},
    }
    plain = {
        "type": "json.JSONDataset",
        "filepath": str(tmp_path / "plain.json"),
        "versioned": True,
    }
    stamp = "2026-01-01T00.00.00.000Z"
    catalog = DataCatalog.from_config({"logged": logged, "plain": plain}, save_version=stamp)
    for name in ("logged", "plain"):
        catalog.save(name, {"name": name})
        assert (tmp_path / f"{name}.json" / stamp / f"{name}.json").exists()
        assert catalog.load(name) == {"name": name}
    assert catalog["logged"].resolve_save_version() == stamp


# tables of Spark


def spark_folder(path: Path, *parts: pd.DataFrame) -> Path:
    """Write a table as Spark does: a folder of parts with names that are never the same."""
    path.mkdir(parents=True)
    for number, part in enumerate(parts):
        part.to_parquet(path / f"part-0000{number}-{secrets.token_hex(4)}.snappy.parquet")
    (path / "_SUCCESS").touch()
    return path


ROWS = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})


def test_duckdb_reads_a_table_that_spark_wrote(tmp_path: Path) -> None:
    path = spark_folder(tmp_path / "t.parquet", ROWS[2:], ROWS[:2])
    found = TableDataset(filepath=str(path)).load().order_by("a").execute()
    pd.testing.assert_frame_equal(found, ROWS, check_dtype=False)


def test_equal_rows_hash_equally_however_spark_dealt_them(tmp_path: Path) -> None:
    paths = {
        "one": spark_folder(tmp_path / "one.parquet", ROWS),
        "two": spark_folder(tmp_path / "two.parquet", ROWS[1:], ROWS[:1]),
        "other": spark_folder(tmp_path / "other.parquet", ROWS.assign(a=[1, 2, 4])),
        "twice": spark_folder(tmp_path / "twice.parquet", ROWS, ROWS),
    }
    hashes = {name: TableDataset(filepath=str(p)).content_hash() for name, p in paths.items()}
    assert hashes["one"] == hashes["two"]
    assert len(set(hashes.values())) == 3


def test_a_file_leaves_its_hash_to_the_seal(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"bytes")
    assert TableDataset(filepath=str(tmp_path / "t.parquet")).content_hash() is None


def test_without_java_the_error_says_what_spark_needs(tmp_path: Path) -> None:
    code = (
        "from fin_kedro.storage.datasets import TableDataset\n"
        "engine = {'backend': 'pyspark', 'spark.master': 'local[1]'}\n"
        f"TableDataset(filepath='{tmp_path}/t.parquet', connection=engine).connection"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JAVA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "DatasetError: no Spark session" in done.stderr
    assert "Spark needs Java 17 or later on the machine" in done.stderr
