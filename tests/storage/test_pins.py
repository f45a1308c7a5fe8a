"""A run reads what was there at its start and what it wrote, whatever others write meanwhile."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner, ThreadRunner

from fin_kedro.storage.pins import pin_versions
from fin_kedro.storage.whole_versions import keep_versions_whole

FIRST, MINE, OTHER = (f"2026-01-0{day}T00.00.00.000Z" for day in (1, 2, 3))


def catalog_of(folder: Path, version: str, **loads: str) -> DataCatalog:
    """A catalog of four JSON datasets, as a run with that version is given it."""
    entries: dict[str, Any] = {
        name: {
            "type": "json.JSONDataset", "versioned": True,
            "filepath": (folder / f"{name}.json").as_posix(),
        }
        for name in ("raw", "table", "model", "report")
    }  # fmt: skip
    entries["cached"] = {
        "type": "CachedDataset",
        "versioned": True,
        "dataset": {k: v for k, v in entries["raw"].items() if k != "versioned"},
    }
    catalog = DataCatalog.from_config(entries, save_version=version, load_versions=loads)
    keep_versions_whole(catalog)
    return catalog


def write(folder: Path, version: str, **content: str) -> None:
    catalog = catalog_of(folder, version)
    for name, value in content.items():
        catalog.save(name, value)


def pipeline_beside_another_run(folder: Path) -> Pipeline:
    """In its second node another, newer run writes all that this one reads afterwards."""

    def another(table: str) -> str:
        write(folder, OTHER, raw="other raw", table="other table", model="other model")
        return f"model of {table}"

    return Pipeline(
        [
            node(lambda raw: f"table of {raw}", "raw", "table"),
            node(another, "table", "model"),
            node(lambda *read: " + ".join(read), ["raw", "table", "model"], "report"),
        ]
    )


@pytest.mark.parametrize("runner", [SequentialRunner(), ThreadRunner(max_workers=2)])
def test_what_another_run_writes_meanwhile_is_not_read(tmp_path: Path, runner: Any) -> None:
    write(tmp_path, FIRST, raw="first raw", table="old table", model="old model")
    catalog, pipeline = catalog_of(tmp_path, MINE), pipeline_beside_another_run(tmp_path)
    pinned = pin_versions(catalog, pipeline.datasets())
    assert pinned == {"raw": FIRST, "table": FIRST, "model": FIRST}
    runner.run(pipeline, catalog)
    own = "table of first raw"
    assert catalog.load("report") == f"first raw + {own} + model of {own}"
    assert catalog_of(tmp_path, "2026-01-04").load("model") == "other model", "it was there"


def test_another_process_gets_the_pin_with_the_dataset(tmp_path: Path) -> None:
    write(tmp_path, FIRST, raw="first raw")
    catalog = catalog_of(tmp_path, MINE)
    pin_versions(catalog, ["raw", "cached", "unknown", "params:limit", "parameters"])
    sent = pickle.loads(pickle.dumps(catalog.get("raw")))
    write(tmp_path, OTHER, raw="other raw")
    assert (sent.load(), catalog.load("cached")) == ("first raw", "first raw")
    catalog.save("raw", "my raw")
    assert (sent.load(), catalog.load("raw")) == ("my raw", "my raw")


def test_a_dataset_that_was_not_there_is_not_taken_from_another_run(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, MINE)
    assert pin_versions(catalog, ["raw"]) == {}
    write(tmp_path, OTHER, raw="other raw")
    with pytest.raises(DatasetError, match="none when this run began"):
        catalog.load("raw")
    assert not catalog.exists("raw")
    catalog.save("raw", "my raw")
    assert catalog.load("raw") == "my raw"


def test_a_version_that_was_asked_for_stays_and_a_second_run_of_a_catalog_pins_anew(
    tmp_path: Path,
) -> None:
    write(tmp_path, FIRST, raw="first raw")
    write(tmp_path, OTHER, raw="other raw")
    asked = catalog_of(tmp_path, MINE, raw=FIRST)
    assert pin_versions(asked, ["raw"]) == {"raw": FIRST}
    assert asked.load("raw") == "first raw"
    catalog = catalog_of(tmp_path, "2026-01-05")
    assert pin_versions(catalog, ["raw"]) == {"raw": OTHER}
    write(tmp_path, "2026-01-04", raw="newest raw")
    assert pin_versions(catalog, ["raw"]) == {"raw": "2026-01-04"}
