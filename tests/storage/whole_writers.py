"""Writers that are killed at an exact instant: in front of their n-th step in the file system.

Children are forked by a server that has imported everything, so a kill costs milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.backends.duckdb
import ibis.formats.pandas
import matplotlib

matplotlib.use("agg")
import matplotlib.figure
import matplotlib.image
import numpy as np
import onnx
import pandas as pd
from kedro.io import AbstractVersionedDataset, DataCatalog, Version
from kedro_datasets.json import JSONDataset
from kedro_datasets.matplotlib import MatplotlibDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.pickle import PickleDataset
from kedro_datasets.text import TextDataset
from matplotlib.lines import Line2D

from fin_kedro.contracts.stored import ContractRecordDataset
from fin_kedro.storage.datasets import LoggedDataset, OnnxDataset, TableDataset
from fin_kedro.storage.whole_versions import keep_versions_whole
from tests.serving.tiny_package import tiny_contract, tiny_graph

STEPS = {
    *("open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir"),
    *("os.link", "os.truncate", "os.utime", "shutil.rmtree", "fcntl.flock", "fcntl.lockf"),
}


@dataclass(frozen=True)
class Kind:
    """A type of dataset: how it is made of path and version, what it is given, how it is read."""

    make: Callable[[Path, str], Any]
    content: Callable[[int], Any]
    read: Callable[[Any], Any] = lambda dataset: dataset.load()
    expected: Callable[[Any], Any] = lambda content: content
    stride: int = 1  # kill at each step, or at each such step where saving is slow


def _frame(seed: int, rows: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame({"id": np.arange(rows), "x": draw.normal(size=rows)})


def _plots(seed: int) -> dict[str, matplotlib.figure.Figure]:
    plots = {}
    for name in ("a.png", "b.png"):
        plots[name] = matplotlib.figure.Figure(figsize=(1, 1))
        plots[name].add_artist(Line2D([0, 1], [0, 1 / seed]))  # axes would cost ten times as much
    return plots


def _table(path: Path, version: str) -> TableDataset:
    connection = {"backend": "duckdb", "database": ":memory:", "threads": 1}
    return TableDataset(
        filepath=str(path / "t.parquet"), version=Version(None, version), connection=connection
    )


def _logged(path: Path, version: str) -> Any:
    inner = {"type": JSONDataset, "filepath": str(path / "logged.json")}
    dataset = LoggedDataset(dataset=inner, version=Version(None, version))
    dataset._logging_activated = False  # MLflow's part is tried in whole runs
    return dataset


def _simple(kind: type, name: str) -> Callable[[Path, str], Any]:
    return lambda path, version: kind(filepath=str(path / name), version=Version(None, version))


def _sizes(dataset: Any) -> dict[str, tuple[int, ...]]:
    """Each picture's size; a half-written one cannot be read."""
    folder = Path(str(dataset._get_load_path()))
    return {p.name: matplotlib.image.imread(p).shape for p in sorted(folder.iterdir())}


class FolderDataset(AbstractVersionedDataset[dict[str, str], dict[str, str]]):
    """A type that somebody adds: a folder of files, and one beside it."""

    def __init__(self, *, filepath: str, version: Version | None = None) -> None:
        super().__init__(filepath=Path(filepath), version=version)  # type: ignore[arg-type]

    def save(self, data: dict[str, str]) -> None:
        folder = Path(str(self._get_save_path()))
        folder.mkdir(parents=True)
        for name, text in data.items():
            (folder / name).write_text(text)
        (folder.parent / "beside.json").write_text(json.dumps(sorted(data)))

    def load(self) -> dict[str, str]:
        folder = Path(str(self._get_load_path()))
        names = json.loads((folder.parent / "beside.json").read_text())
        return {name: (folder / name).read_text() for name in names}

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


def _model(seed: int) -> onnx.ModelProto:
    model = onnx.load_from_string(tiny_graph())
    model.doc_string = str(seed)
    return model


KINDS: dict[str, Kind] = {
    "table": Kind(
        _table,
        lambda seed: ibis.memtable(_frame(seed)),
        lambda dataset: dataset.load().order_by("id").execute(),
        lambda table: table.execute(),
        stride=3,
    ),
    "json": Kind(_simple(JSONDataset, "a.json"), lambda seed: {"seed": seed, "x": [seed] * 2000}),
    "csv": Kind(
        lambda path, version: CSVDataset(
            filepath=str(path / "a.csv"), version=Version(None, version), save_args={"index": False}
        ),
        _frame,
    ),
    "parquet": Kind(_simple(ParquetDataset, "a.parquet"), _frame),
    "pickle": Kind(_simple(PickleDataset, "a.pkl"), lambda seed: {"seed": seed}),
    "text": Kind(_simple(TextDataset, "a.html"), lambda seed: f"{seed}\n" * 5000),
    "onnx": Kind(_simple(OnnxDataset, "a.onnx"), _model),
    "figures": Kind(
        _simple(MatplotlibDataset, "plots"),
        _plots,
        _sizes,
        lambda plots: dict.fromkeys(plots, (100, 100, 4)),
        stride=5,
    ),
    "logged": Kind(_logged, lambda seed: {"seed": seed}, stride=4),
    "contract": Kind(
        _simple(ContractRecordDataset, "c.json"),
        lambda seed: tiny_contract(),
        lambda dataset: dataset.load().to_dict(),
        lambda contract: contract.to_dict(),
    ),
    "folder": Kind(
        _simple(FolderDataset, "package"), lambda seed: {f"{i}": str(seed) for i in range(3)}
    ),
}

for _kind in KINDS.values():  # what is imported late is imported once, by the server
    _kind.make(Path("never"), "written")


def catalog_of(kind: str, path: Path, version: str, *, whole: bool = True) -> DataCatalog:
    """A catalog with one dataset of a kind, `data`, that saves under this version."""
    catalog = DataCatalog({"data": KINDS[kind].make(path, version)})
    if whole:
        keep_versions_whole(catalog)
    return catalog


def save(
    kind: str, path: Path, version: str, seed: int, kill_at: int = 0, whole: bool = True
) -> None:
    """Save a version in this process; die in front of the ``kill_at``-th step (0: never)."""
    catalog, content = catalog_of(kind, path, version, whole=whole), KINDS[kind].content(seed)
    _die_at(kill_at, str(path))
    catalog.save("data", content)


def _die_at(kill_at: int, root: str) -> None:
    """Count the steps this process takes in a folder, and kill it as `kill -9` does."""
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        here = event.startswith("fcntl") or any(root in str(a) for a in arguments)
        if event in STEPS and here:
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def save_for_ever(kind: str, path: Path, seed: int) -> None:
    """Save version after version, until somebody kills this process."""
    number = 0
    while True:
        number += 1
        catalog_of(kind, path, f"{number:06d}").save("data", KINDS[kind].content(seed))


def write_and_wait(path: Path, whole: bool) -> None:
    """Write half a version, and hang."""
    catalog = DataCatalog({"data": HangingDataset(filepath=str(path), version=Version(None, "2"))})
    if whole:
        keep_versions_whole(catalog)
    catalog.save("data", "half")


class HangingDataset(FolderDataset):
    """Hangs in the middle of a save."""

    def save(self, data: Any) -> None:
        path = Path(str(self._get_save_path()))
        path.parent.mkdir(parents=True)
        path.write_text(data)
        (self._filepath.parent / "hangs").touch()  # type: ignore[attr-defined]
        signal.pause()

    def load(self) -> Any:
        return Path(str(self._get_load_path())).read_text()
