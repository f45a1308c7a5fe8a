"""Raw inputs are found by content, at their recorded path first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fin_kedro.storage.canonical import content_hash
from fin_kedro.storage.dataset_state import DatasetHashes
from fin_kedro.verification.inputs import (
    ALTERED,
    AS_SEALED,
    ELSEWHERE,
    Input,
    InputError,
    bring_raw,
    place_inputs,
    raw_inputs,
)
from tests.end_to_end.tiny_project import write

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"
HASHES = DatasetHashes()


def place(version: str) -> str:
    return f"data/raw.txt/{version}/raw.txt"


def wanted(text: str = "one", path: str = place(OLD), version: str | None = OLD) -> Input:
    return Input(
        name="raw", content=content_hash(text.encode(), ".txt"), path=path, version=version
    )


def put(tmp_path: Path, *, want: Input | None = None, today: bool = False, **files: str) -> Any:
    """Write versions (old, new) of the data, and put the wanted one into a checkout."""
    project, target = tmp_path / "project", tmp_path / "tree"
    for name, text in files.items():
        write(project / place({"old": OLD, "new": NEW}[name]), text)
    (placed,) = place_inputs(
        [want or wanted()], target, [project], hash_of=HASHES, today=project if today else None
    )
    return placed.state, placed.path.read_text()


def test_the_recorded_version_is_taken(tmp_path: Path) -> None:
    assert put(tmp_path, old="one", new="two") == (AS_SEALED, "one")


def test_the_same_content_in_another_version_will_do(tmp_path: Path) -> None:
    assert put(tmp_path, old="changed", new="one") == (ELSEWHERE, "one")
    assert (tmp_path / "tree" / place(OLD)).read_text() == "one", "at the recorded place"


def test_altered_data_are_put_in_and_said(tmp_path: Path) -> None:
    assert put(tmp_path, old="changed", new="two") == (ALTERED, "changed")


def test_where_the_recorded_version_is_gone_the_newest_stands_in(tmp_path: Path) -> None:
    assert put(tmp_path, new="two") == (ALTERED, "two")


def test_todays_data_are_the_newest_version(tmp_path: Path) -> None:
    assert put(tmp_path, today=True, old="one", new="two") == (ALTERED, "two")


def test_what_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"raw \(data/raw.txt/2026-01-01.*Put them back"):
        put(tmp_path)


def test_the_users_file_is_not_written(tmp_path: Path) -> None:
    put(tmp_path, old="changed", new="one")
    assert (tmp_path / "project" / place(OLD)).read_text() == "changed"


def test_a_path_outside_the_project_is_read_where_it_lies(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere/raw.txt"
    write(outside, "one")
    state, text = put(tmp_path, want=wanted(path=str(outside), version=None))
    assert (state, text) == (AS_SEALED, "one")


@pytest.mark.parametrize("way", ["dots", "link"])
def test_a_seal_cannot_have_anything_written_outside_the_checkout(tmp_path: Path, way: str) -> None:
    """No digest covers a path; it once removed the folder that stood there."""
    victim, tree = tmp_path / "victim/data", tmp_path / "tree"
    write(victim / "keep.txt", "mine")
    tree.mkdir()
    (tree / "linked").symlink_to(tmp_path / "victim")
    path = {"dots": "../victim/data", "link": "linked/data"}[way]
    write(tmp_path / f"project/{path}/raw.txt", "one")
    content = {"data": {"read": {"raw": content_hash(tmp_path / "project" / path)}}, "steps": {}}
    with pytest.raises(InputError, match=f"raw lies at {path}, which leads out of the project"):
        place_inputs(
            raw_inputs(content, {"raw": {"path": path}}), tree, [tmp_path / "project"],
            hash_of=HASHES,
        )  # fmt: skip
    assert (victim / "keep.txt").read_text() == "mine"


def test_a_folder_keeps_what_lies_beside_it(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project / f"data/package/{OLD}/package/a.txt", "a")
    write(project / f"data/package/{OLD}/registered.json", "{}")
    path = f"data/package/{OLD}/package"
    want = Input(name="candidate", content=content_hash(project / path), path=path, version=OLD)
    (found,) = place_inputs([want], tmp_path / "tree", [project], hash_of=HASHES)
    assert found.state == AS_SEALED
    assert (found.path / "a.txt").is_file() and (found.path.parent / "registered.json").is_file()


def test_inputs_are_what_was_read_and_not_made() -> None:
    content = {
        "data": {"read": {"raw": "h"}},
        "steps": {"a": {"read": {"raw": "h", "table": "t"}, "written": {}}},
    }
    places = {"raw": {"path": "r", "version": OLD}, "table": {"path": "t", "version": None}}
    assert [i.name for i in raw_inputs(content, places)] == ["raw"]
    (table,) = raw_inputs(content, places, ["table"])
    assert (table.content, table.path) == ("t", "t")


def test_a_dataset_with_a_hash_of_its_own_is_asked_about_that_file(tmp_path: Path) -> None:
    class Own:
        def _get_load_path(self) -> str:
            return "latest"

        def content_hash(self) -> str | None:
            path = Path(str(self._get_load_path()))
            return "own" if path.suffix == ".own" else None

    own = Own()

    class Catalog(dict[str, Any]):
        pass

    hashes = DatasetHashes(Catalog(table=own))
    write(tmp_path / "a.own", "x")
    write(tmp_path / "a.txt", "x")
    assert hashes("table", tmp_path / "a.own") == "own"
    assert hashes("table", tmp_path / "a.txt") == content_hash(tmp_path / "a.txt")
    assert own._get_load_path() == "latest"


def test_raw_files_that_a_checkout_lacks_are_brought(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        write(tmp_path / "project/data/01_raw" / name, "the project's")
    write(tmp_path / "tree/data/01_raw/a.txt", "the commit's")
    bring_raw(tmp_path / "project", tmp_path / "tree")
    found = {n: (tmp_path / "tree/data/01_raw" / n).read_text() for n in ("a.txt", "b.txt")}
    assert found == {"a.txt": "the commit's", "b.txt": "the project's"}
