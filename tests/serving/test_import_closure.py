"""What a script imports: followed through the package, without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.serving.import_closure import import_closure

FILES = {
    "house/__init__.py": "",
    "house/rooms/__init__.py": "from .kitchen import cook\n",
    "house/rooms/kitchen.py": (
        "from ..cellar import coal as fuel\nimport json\nimport numpy.linalg\n"
    ),
    "house/cellar/__init__.py": "",
    "house/cellar/coal.py": "def burn():\n    from . import wood\n    import pandas\n",
    "house/cellar/wood.py": "raise RuntimeError('must not run')\n",
    "house/attic.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import polars\n    from house.shed import spade\n"
        "else:\n    import house.garden\n"
        "try:\n    import pydantic\nexcept ImportError:\n    pass\n"
    ),
    "house/shed.py": "",
    "house/garden.py": "class Bed:\n    import yaml\n",
    "house/unused.py": "import duckdb\n",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "house"


def closure(house: Path, script: str) -> tuple[set[str], set[str]]:
    path = house.parent / "script.py"
    path.write_text(script)
    found = import_closure(path, house)
    return {p.as_posix() for p in found.files}, set(found.distributions)


def test_packages_above_relative_imports_and_functions_are_followed(house: Path) -> None:
    files, libraries = closure(house, "from house import rooms\n")
    assert files == {
        "__init__.py",
        "rooms/__init__.py",
        "rooms/kitchen.py",
        "cellar/__init__.py",
        "cellar/coal.py",
        "cellar/wood.py",
    }
    assert libraries == {"numpy"}  # json is Python's own, pandas is asked for in a function only


def test_what_only_a_type_checker_imports_is_left_out(house: Path) -> None:
    files, libraries = closure(house, "import house.attic\n")
    assert files == {"__init__.py", "attic.py", "garden.py"}
    assert libraries == {"pydantic", "PyYAML"}


def test_names_that_are_no_modules_and_other_packages(house: Path) -> None:
    files, libraries = closure(house, "import os, household\nfrom house.shed import spade\n")
    assert files == {"__init__.py", "shed.py"}
    assert libraries == set()
