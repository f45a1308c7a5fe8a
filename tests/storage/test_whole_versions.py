"""A version is visible whole or not at all: killed writers, two writers, errors, drafts swept."""

from __future__ import annotations

import copy
import pickle
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.io import CachedDataset, DataCatalog, DatasetError, MemoryDataset, Version
from kedro_datasets.json import JSONDataset
from pandas import DataFrame
from pandas.testing import assert_frame_equal

from fin_kedro.storage.whole_versions import DRAFTS, keep_versions_whole, save_whole, sweep
from tests.children import start
from tests.storage.whole_writers import (
    KINDS,
    FolderDataset,
    catalog_of,
    save,
    save_for_ever,
    write_and_wait,
)


def versions(kind: str, path: Path) -> list[str]:
    """What the catalog lists, newest first."""
    dataset: Any = catalog_of(kind, path, "new").get("data")
    return dataset.list_versions(full_path=False)


def check_whole(kind: str, path: Path, version: str, seed: int) -> None:
    """A listed version loads, and is what was saved."""
    dataset: Any = catalog_of(kind, path, "new").get("data")
    dataset._version = Version(version, "new")
    found = KINDS[kind].read(dataset)
    expected = KINDS[kind].expected(KINDS[kind].content(seed))
    if isinstance(found, DataFrame):
        assert_frame_equal(found.reset_index(drop=True), expected, check_dtype=False)
    else:
        assert found == expected


def wait_for(path: Path, pattern: str = "") -> None:
    """Wait until there is a file, or one like it in a folder."""
    deadline = time.monotonic() + 60
    while not (any(path.glob(pattern)) if pattern else path.exists()):
        assert time.monotonic() < deadline, f"no {path / pattern}"
        time.sleep(0.001)


def drafts(path: Path) -> list[Path]:
    return sorted(path.rglob(f"{DRAFTS}*"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_killed_at_each_of_its_steps_shows_a_whole_version_or_none(
    kind: str, tmp_path: Path
) -> None:
    """In front of every file it opens, makes, renames or removes, until it lives to the end."""
    outcomes: list[bool] = []
    for kill_at in range(1, 200, KINDS[kind].stride):
        path = tmp_path / str(kill_at)
        save(kind, path, "1", seed=1)
        child = start(save, kind, path, "2", 2, kill_at)
        child.join(60)
        listed = versions(kind, path)
        assert listed in (["1"], ["2", "1"])
        check_whole(kind, path, "1", seed=1)
        if "2" in listed:
            check_whole(kind, path, "2", seed=2)
        outcomes.append("2" in listed)
        if child.exitcode == 0:
            break
        assert child.exitcode == -9
        save(kind, path, "3", seed=3)  # the next run works, and clears up
        check_whole(kind, path, "3", seed=3)
        assert drafts(path) == []
    assert child.exitcode == 0
    assert outcomes == sorted(outcomes)  # visible from one step on
    assert len(outcomes) * KINDS[kind].stride > 15
    assert not outcomes[0]


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_a_writer_killed_at_random_instants(kind: str, tmp_path: Path) -> None:
    """Engines write outside Python's sight: there only the clock says when to kill."""
    draw = random.Random(kind)
    for trial in range(4):
        path = tmp_path / str(trial)
        child = start(save_for_ever, kind, path, trial)
        wait_for(path, "*/000001")
        time.sleep(draw.uniform(0, 0.08))
        child.kill()
        child.join()
        listed = versions(kind, path)
        assert listed == sorted(listed, reverse=True)
        assert "000001" in listed
        for version in listed:
            check_whole(kind, path, version, seed=trial)


@pytest.mark.parametrize("whole", [True, False])
def test_half_a_version_is_seen_without_this_and_not_with_it(whole: bool, tmp_path: Path) -> None:
    path = tmp_path / "half.txt"
    child = start(write_and_wait, path, whole)
    wait_for(tmp_path / "hangs")
    seen = [p.parent.name for p in path.glob("*/half.txt") if not p.parent.name.startswith(".")]
    child.kill()
    child.join()
    assert seen == ([] if whole else ["2"])
    assert FolderDataset(filepath=str(path), version=Version(None, "3")).exists() is False


@pytest.mark.parametrize("source", ["entry", "pattern", "added", "cached", "named version"])
def test_every_dataset_a_catalog_hands_out_saves_whole(source: str, tmp_path: Path) -> None:
    seen: list[list[Path]] = []
    path = tmp_path / "a.json"
    catalog = _catalog(source, path)
    dataset: Any = catalog["a"] if source != "named version" else catalog.get("a", version=NEW)
    inner = getattr(dataset, "_dataset", dataset)
    _spy(inner, lambda: seen.append(list(path.glob("*/a.json"))))
    dataset.save({"a": 1})
    assert seen == [[]]  # nothing was visible while it was written
    assert dataset.load() == {"a": 1}
    assert drafts(tmp_path) == []


NEW = Version(None, "2026-11-22T10.00.00.000Z")
ENTRY = {"type": "json.JSONDataset", "versioned": True}


def _catalog(source: str, path: Path) -> DataCatalog:
    entry = {**ENTRY, "filepath": str(path)}
    if source == "pattern":
        conf = {"{name}": {**ENTRY, "filepath": f"{path.parent}/{{name}}.json"}}
    elif source == "cached":
        inner = {k: v for k, v in entry.items() if k != "versioned"}
        conf = {"a": {"type": "CachedDataset", "versioned": True, "dataset": inner}}
    else:
        conf = {} if source == "added" else {"a": entry}
    catalog = DataCatalog.from_config(conf)
    keep_versions_whole(catalog)
    keep_versions_whole(catalog)
    if source == "added":
        catalog["a"] = JSONDataset(filepath=str(path), version=Version(None, None))
    return catalog


def _spy(dataset: Any, look: Callable[[], None]) -> None:
    """Look at the folder when the file was just written."""
    invalidate = dataset._invalidate_cache

    def spied() -> None:
        look()
        invalidate()

    dataset._invalidate_cache = spied


def test_a_catalog_and_its_datasets_still_travel_to_other_processes(tmp_path: Path) -> None:
    catalog = _catalog("entry", tmp_path / "a.json")
    there = pickle.loads(pickle.dumps(catalog))
    there.save("a", [1])
    copied = copy.deepcopy(catalog.get("a"))
    assert copied.load() == [1]
    assert vars(copied)["save"].args == (copied,)


def test_what_has_no_versions_or_lies_elsewhere_is_left_alone(tmp_path: Path) -> None:
    plain = JSONDataset(filepath=str(tmp_path / "plain.json"))
    far = JSONDataset(filepath="memory://far/a.json", version=NEW)
    for dataset in (plain, far, MemoryDataset(1), CachedDataset(plain)):
        assert "save" not in vars(save_whole(dataset))


def test_an_error_while_saving_leaves_nothing(tmp_path: Path) -> None:
    catalog = _catalog("entry", tmp_path / "deep" / "a.json")
    with pytest.raises(DatasetError, match="(?s)a: Failed while saving.*not JSON serializable"):
        catalog.save("a", {"a": object()})
    assert list((tmp_path / "deep").iterdir()) == []
    catalog.save("a", {"a": 1})
    assert catalog.load("a") == {"a": 1}


def test_the_version_of_two_writers_is_the_first_ones(tmp_path: Path) -> None:
    """Two runs that were given the same version: one wins, the other is told."""
    path = tmp_path / "a.json"
    first, second = (save_whole(JSONDataset(filepath=str(path), version=NEW)) for _ in range(2))
    _spy(second, lambda: first.save("first"))
    with pytest.raises(DatasetError, match="was written by another run meanwhile and stays"):
        second.save("second")
    assert first.load() == second.load() == "first"
    assert [p.name for p in path.iterdir()] == [NEW.save]


def test_writers_of_other_versions_do_not_meet(tmp_path: Path) -> None:
    children = [start(save, "csv", tmp_path, f"{n}", n) for n in range(1, 7)]
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 6
    for n in range(1, 7):
        check_whole("csv", tmp_path, f"{n}", seed=n)
    assert drafts(tmp_path) == []


def test_a_living_writers_draft_is_not_swept(tmp_path: Path) -> None:
    child = start(write_and_wait, tmp_path / "half.txt", True)
    wait_for(tmp_path / "hangs")
    assert sweep(tmp_path / "half.txt") == []
    (alive,) = drafts(tmp_path)
    child.kill()
    child.join()
    assert sweep(tmp_path / "half.txt") == [alive]
    assert drafts(tmp_path) == []


def test_files_put_beside_a_version_before_stay(tmp_path: Path) -> None:
    """A seal's patch is written first."""
    folder = tmp_path / "package" / "1"
    folder.mkdir(parents=True)
    (folder / "patch.diff").write_text("+")
    save("folder", tmp_path, "1", seed=1)
    assert sorted(p.name for p in folder.iterdir()) == ["beside.json", "package", "patch.diff"]
    check_whole("folder", tmp_path, "1", seed=1)


def test_a_version_exists_once(tmp_path: Path) -> None:
    catalog = _catalog("entry", tmp_path / "a.json")
    catalog.save("a", 1)
    with pytest.raises(DatasetError, match="must not exist if versioning is enabled"):
        catalog.save("a", 2)
    assert catalog.load("a") == 1


def test_what_is_loaded_after_a_save_is_what_was_saved(tmp_path: Path) -> None:
    """Also by a dataset that had looked for the latest version before."""
    path = str(tmp_path / "a.json")
    dataset: Any = save_whole(JSONDataset(filepath=path, version=Version(None, None)))
    for content in ("old", "new"):
        dataset.save(content)
        assert dataset.load() == content
    assert len(dataset.list_versions()) == 2
    assert dataset.resolve_save_version() == dataset.resolve_load_version()


def test_a_version_asked_for_stays_the_one_that_is_loaded(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    JSONDataset(filepath=path, version=Version(None, "1")).save("one")
    dataset: Any = save_whole(JSONDataset(filepath=path, version=Version("1", "2")))
    with pytest.warns(UserWarning, match="Saved version 2 .* but it loads 1"):
        dataset.save("two")
    assert dataset.load() == "one"


def test_a_file_in_the_folders_place_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    dataset: Any = save_whole(JSONDataset(filepath=str(tmp_path / "a.json"), version=NEW))
    with pytest.raises(DatasetError, match=r"a.json is a file, and versions need a folder.*Move"):
        dataset.save({})
    assert (tmp_path / "a.json").read_text() == "{}"


def test_a_dataset_that_writes_nothing_makes_no_version(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"wrote no plots: there is no version to keep"):
        catalog_of("figures", tmp_path, "1").save("data", {})
    assert list(tmp_path.iterdir()) == []
