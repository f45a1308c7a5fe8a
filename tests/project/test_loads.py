"""In a kernel each load and save is noted; elsewhere a catalog is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kedro.io import DataCatalog

from fin_kedro.project import loads
from fin_kedro.project.loads import note_data
from fin_kedro.storage.canonical import file_hash, json_hash
from sealed_kernel import data_log


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[DataCatalog]:
    """A catalog with two versions of one dataset, and something that is no file."""
    data_log.clear()
    entry = {"type": "json.JSONDataset", "versioned": True, "filepath": f"{tmp_path}/rows.json"}
    for version, rows in (("2026-01-01T00.00.00.000Z", [1]), ("2026-01-02T00.00.00.000Z", [2])):
        catalog = DataCatalog.from_config({"rows": entry}, save_version=version)
        catalog.save("rows", rows)
    made = DataCatalog.from_config({"rows": entry})
    made["memory"] = 1
    yield made
    data_log.clear()


def test_a_kernel_notes_what_was_loaded(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "in_kernel", lambda: True)
    note_data(catalog, root=tmp_path)
    assert catalog.load("rows") == [2] and catalog.load("memory") == 1
    version = "2026-01-02T00.00.00.000Z"
    path = f"rows.json/{version}/rows.json"
    entry = {"version": version, "sha256": json_hash([2]), "path": path}
    entry["file_sha256"] = file_hash(tmp_path / path)
    assert data_log.loaded() == {"rows": entry}
    assert catalog.load("rows", version="2026-01-01T00.00.00.000Z") == [1]
    assert data_log.mixed() == {"rows": [version, "2026-01-01T00.00.00.000Z"]}


def test_a_kernel_notes_what_was_saved(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "in_kernel", lambda: True)
    note_data(catalog, root=tmp_path)
    catalog.save("rows", [3])
    catalog.save("memory", 2)
    assert catalog.load("rows") == [3]
    (saved,) = data_log.saved().values()
    assert saved["sha256"] == json_hash([3]) and (tmp_path / str(saved["path"])).is_file()
    assert data_log.loaded() == {}


def test_elsewhere_nothing_is_noted(catalog: DataCatalog) -> None:
    note_data(catalog)
    assert catalog.load("rows") == [2]
    assert data_log.loaded() == {}
