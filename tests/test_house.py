"""The check of the tree's shape finds what is planted: a long file, a big room, a circle."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.test_tree import ROOT, load

house = load("house")
LIMITS = {"lines": 10, "share": 60}


@pytest.fixture
def src(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of two rooms and a file at its root; nothing is wrong with it."""
    folder = tmp_path / "src"
    for name, text in {
        "lodge/__init__.py": "",
        "lodge/start.py": "from lodge.hall import desk\n",
        "lodge/hall/__init__.py": "",
        "lodge/hall/desk.py": "from lodge.cellar import wine\n\nBELL = wine\n",
        "lodge/cellar/__init__.py": "",
        "lodge/cellar/wine.py": "YEAR = 1\n",
        "lodge/cellar/beer.py": "STRONG = True\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path, str(needs.tools())])
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "lodge"]:
        del sys.modules[name]


def found(src: Path) -> list[str]:
    return list(
        house.problems(house.modules(src, ("lodge",)), house.imports(("lodge",)), src, LIMITS)
    )


def test_a_tree_in_shape_passes_and_its_table_tells_rooms(src: Path) -> None:
    assert found(src) == []
    rooms = house.rooms(house.modules(src, ("lodge",)), house.imports(("lodge",)), src)
    assert {(room.name, room.files, room.lines, room.depth) for room in rooms} == {
        ("lodge.hall", 2, 3, 1),
        ("lodge.cellar", 3, 2, 0),
        ("lodge", 2, 1, 2),
    }
    assert any(
        line.split() == ["lodge.hall", "2", "3", "50.0%", "1"] for line in house.table(rooms)
    )


def test_a_long_file_is_found(src: Path) -> None:
    (src / "lodge/start.py").write_text("x = 1\n" * 11)
    (src / "lodge/hall/desk.py").write_text("x = 1\n" * 10)
    assert found(src) == ["src/lodge/start.py has 11 lines; 10 are allowed"]


def test_a_big_room_is_found(src: Path) -> None:
    (src / "lodge/hall/desk.py").write_text("x = 1\n" * 9)
    assert found(src) == ["lodge.hall holds 75.0 % of the lines; below 60 % is allowed"]


@pytest.mark.parametrize(
    "text",
    [
        "from lodge.hall import desk\n",
        "def pour():\n    from lodge.hall.desk import BELL\n\n    return BELL\n",
        "from lodge.cellar import beer\n",
    ],
    ids=["at the top", "inside a function", "by way of a third"],
)
def test_a_circle_between_files_is_found(src: Path, text: str) -> None:
    (src / "lodge/cellar/wine.py").write_text(text)
    names = ["lodge.cellar.wine", "lodge.hall.desk"]
    if "beer" in text:
        (src / "lodge/cellar/beer.py").write_text("from lodge.hall import desk\n")
        names.insert(0, "lodge.cellar.beer")
    assert f"an import circle: {', '.join(names)}" in found(src)


def test_an_import_for_types_only_is_no_circle(src: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from lodge.hall import desk\n"
    )
    (src / "lodge/cellar/wine.py").write_text(text)
    assert not [line for line in found(src) if "circle" in line]


def test_every_module_of_this_tree_is_seen() -> None:
    files = house.modules(ROOT / "src")
    assert {"fin_kedro", "fin_kedro.hooks", "sealed_kernel.warm"} <= set(files)
    assert len(files) == len(list((ROOT / "src").rglob("*.py")))
