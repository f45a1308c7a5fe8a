"""Kedro datasets that kedro-datasets does not have."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import ibis
import ibis.expr.types as ir
import onnx
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro_datasets._typing import JSONPreview, TablePreview
from kedro_datasets.ibis import FileDataset

from fin_kedro.storage.spill import spill_folder

# A group of rows in a Parquet file: DuckDB's own number up to 130 columns, fewer rows beyond.
VECTOR, GROUP, CELLS = 2048, 122_880, 16_000_000
# Commas and a header, as the standard has it (RFC 4180), and types by all rows: nothing is guessed
# from a sample. An entry's own `load_args` come first. The names are DuckDB's.
CSV: dict[str, Any] = {"delim": ",", "header": True, "sample_size": -1}
# A folder called name=value on the path is part of the path, and no column.
FILE: dict[str, Any] = {"hive_partitioning": False}


class DeliveryError(DatasetError):
    """A file that was read, and is not what its contract says; the message says it all."""


class TableDataset(FileDataset):
    """kedro-datasets' Ibis file dataset: errors name file and line, Kedro-Viz shows first rows.

    On Spark a table is a folder of Parquet files, and the entries of ``connection`` beside
    ``backend`` are Spark's own settings (``spark.master``, ...); DuckDB reads such a folder, too.
    """

    _load_args: dict[str, Any]
    _save_args: dict[str, Any]

    def _connect(self) -> Any:
        if self._connection_config["backend"] != "pyspark":
            return _spilling_aside(super()._connect(), self._connection_config)
        return _spark({k: v for k, v in self._connection_config.items() if k != "backend"})

    def load(self) -> ir.Table:
        """Return the table; raise `DatasetError` when there is no file, or it cannot be read."""
        path = Path(str(self._get_load_path()))
        if not self._fs_prefix and not path.exists():
            raise DatasetError(f"no file at {path}; put it there, or correct `filepath`.")
        if self._connection_config["backend"] == "duckdb":
            csv_only = CSV if self._file_format == "csv" else {}
            self._load_args = {**FILE, **csv_only, **self._load_args}
        try:
            return self._read(path)
        except DeliveryError:
            raise
        except Exception as error:  # each engine has errors of its own
            raise DatasetError(
                f"{path} is no readable {self._file_format} file: {self._why(path, error)}"
            ) from error

    def _why(self, path: Path, error: Exception) -> str:
        """What is wrong with a file, and the line of conf that mends it where one does."""
        said = str(error)
        if "not utf-8 encoded" in said:
            return (
                "it is not in UTF-8. Next: name its encoding in the catalog entry, e.g. "
                "load_args: {encoding: latin-1}"
            )
        local_csv = self._file_format == "csv" and path.exists()
        broken = _broken_line(path, self._load_args) if local_csv else ""
        return broken or said.splitlines()[0]

    def _read(self, path: Path) -> ir.Table:
        if self._connection_config["backend"] == "duckdb" and _is_spark_folder(path):
            return self.connection.read_parquet(path / "*.parquet", **self._load_args)
        return super().load()

    def save(self, data: ir.Table) -> None:
        """Write the table; one that is wide in groups of fewer rows, which memory can hold."""
        given = self._save_args
        if (self._file_format, self._connection_config["backend"]) == ("parquet", "duckdb"):
            self._save_args = {**_row_groups(len(data.columns)), **given}
        try:
            super().save(data)
        except Exception as error:
            if "Out of Memory" not in str(error):
                raise
            raise DatasetError(
                _out_of_memory(len(data.columns), self._connection_config)
            ) from error
        finally:
            self._save_args = given

    def content_hash(self) -> str | None:
        """Return a hash for the run's seal: of a Spark folder's rows in any order.

        None for a file: its kind says what of it is content.
        """
        path = Path(str(self._get_load_path()))
        if not _is_spark_folder(path):
            return None
        import duckdb

        # Spark names its files anew each time and may deal rows to them differently
        query = "SELECT count(*), sum(hash(rows)) FROM read_parquet(?) AS rows"
        found = duckdb.connect().execute(query, [str(path / "*.parquet")]).fetchone()
        return hashlib.sha256(str(found).encode()).hexdigest()

    def preview(self, nrows: int = 10) -> TablePreview:
        """Return the first rows as ``{"index", "columns", "data"}``."""
        rows = self.load().limit(nrows).execute()
        return TablePreview(rows.astype(object).where(rows.notna(), None).to_dict(orient="split"))


def _row_groups(columns: int) -> dict[str, int]:
    """DuckDB holds a group of rows whole before it writes: bound its cells, not its rows."""
    steps = CELLS // columns // VECTOR
    return {} if steps * VECTOR >= GROUP else {"row_group_size": max(steps, 1) * VECTOR}


def _out_of_memory(columns: int, settings: Mapping[str, Any]) -> str:
    return (
        f"a table of {columns} columns does not fit into the engine's memory, "
        f"{settings.get('memory_limit', 'as DuckDB chose it')}, though it may spill to disk. Give "
        "it more: `engine: {backend: duckdb, database: ':memory:', memory_limit: 3GB, threads: 2}` "
        "in conf/<env>/globals.yml (about 1.5 MB for each column)."
    )


def _spilling_aside(connection: Any, settings: Mapping[str, Any]) -> Any:
    """Let DuckDB put what does not fit into memory under the data root, if that is known."""
    if settings["backend"] != "duckdb" or "temp_directory" in settings:
        return connection
    if folder := spill_folder():
        quoted = folder.as_posix().replace("'", "''")
        connection.raw_sql(f"SET temp_directory = '{quoted}'")
    return connection


def _is_spark_folder(path: Path) -> bool:
    return path.is_dir() and any(path.glob("part-*.parquet"))


def _spark(settings: Mapping[str, Any]) -> Any:
    """Connect Ibis to the Spark session with these settings; a running one is used as it is."""
    # its pandas checks warn at every conversion; what we use of it is tested
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    if str(settings.get("spark.master", "")).startswith("local"):
        # Python functions run in processes of their own: with this Python, and this package
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        here = str(Path(__file__).parents[1])
        settings = {"spark.executorEnv.PYTHONPATH": here, **settings}
    try:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        return ibis.pyspark.connect(builder.getOrCreate())
    except Exception as error:
        raise DatasetError(
            f"no Spark session: {str(error).splitlines()[0]}. Spark needs Java 17 or later on the "
            "machine (`java -version`), and the master named in conf (engine, spark.master)."
        ) from error


def _broken_line(path: Path, load_args: Mapping[str, Any]) -> str:
    """Say which line of a CSV file has more or fewer fields than its header."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.reader(file, delimiter=str(load_args.get("delim", ","))[:1])
        width = len(next(reader, []))
        for row in reader:
            if row and len(row) != width:
                return f"line {reader.line_num} has {len(row)} fields, the header {width}."
    return ""


class OnnxDataset(AbstractVersionedDataset[onnx.ModelProto, onnx.ModelProto]):
    """An ONNX model as a file; equal models are equal bytes.

    Args:
        filepath: path of the ``.onnx`` file (versioned by Kedro).
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    def save(self, data: onnx.ModelProto) -> None:
        """Check the model and write it with maps in a fixed order."""
        onnx.checker.check_model(data)
        path = Path(str(self._get_save_path()))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.SerializeToString(deterministic=True))

    def load(self) -> onnx.ModelProto:
        """Read the model."""
        return onnx.load(str(self._get_load_path()))

    def preview(self) -> JSONPreview:
        """Return what the graph takes and gives, and how large it is, for Kedro-Viz."""
        model = self.load()
        shown = {
            "inputs": [value.name for value in model.graph.input],
            "outputs": [value.name for value in model.graph.output],
            "nodes": len(model.graph.node),
            "bytes": model.ByteSize(),
            **{entry.key: json.loads(entry.value) for entry in model.metadata_props},
        }
        return JSONPreview(json.dumps(shown))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


class LoggedDataset(AbstractVersionedDataset[Any, Any]):
    """kedro-mlflow's artifact dataset under the catalog's own version.

    kedro-mlflow 2.0.3 lets the wrapped dataset make a save version of its own, which Kedro's
    catalog refuses ("All datasets in the catalog must have the same save version"). Write
    ``versioned: true`` beside ``dataset``, not inside it.

    Args:
        dataset: the wrapped dataset's configuration.
        artifact_path: folder of the artifact in the MLflow run.
    """

    def __new__(
        cls,
        dataset: dict[str, Any],
        *,
        artifact_path: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Any:
        """Return the wrapped dataset, with saving logged."""
        # MLflow's imports take seconds, and who only reads evidence needs none of it
        from kedro_mlflow.io.artifacts import MlflowArtifactDataset as Logged

        wrapped: Any = Logged.__new__(
            Logged, {**dataset, "versioned": True}, artifact_path=artifact_path, metadata=metadata
        )
        wrapped._version = version
        # Kedro-Viz shows module and qualified name as the dataset's type
        kind = type(wrapped)
        kind.__module__ = cls.__module__
        kind.__qualname__ = f"Logged{kind.__mro__[1].__name__}"
        return wrapped
