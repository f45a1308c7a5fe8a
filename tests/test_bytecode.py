"""Bytecode is taken over where the source is the same, is then used, and nowhere else."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_tree import load

bytecode = load("bytecode")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two environments' packages, the first compiled; one module differs, one is only there."""
    old, new = tmp_path / "old", tmp_path / "new"
    texts = {"same.py": "A = 1\n", "other.py": "A = 1\n", "gone.py": "A = 1\n"}
    for folder in (old, new):
        (folder / "pack").mkdir(parents=True)
        for name, text in texts.items():
            (folder / "pack" / name).write_text(text)
    for name in texts:
        py_compile.compile(str(old / "pack" / name))
    (new / "pack/other.py").write_text("A = 2\n")
    (new / "pack/gone.py").unlink()
    os.utime(new / "pack/same.py", (1_000_000_000, 1_000_000_000))
    return old, new


def test_only_what_is_the_same_is_taken_over_and_is_used(folders: tuple[Path, Path]) -> None:
    old, new = folders
    assert bytecode.carry(old, new) == 1
    [made] = (new / "pack/__pycache__").iterdir()
    said = subprocess.run(
        [sys.executable, "-v", "-c", "import pack.same as s; print(s.A, s.__file__)"],
        env={**os.environ, "PYTHONPATH": str(new), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["1", str(new / "pack/same.py")]
    assert f"code object from '{made}'" in said.stderr


def test_bytecode_of_another_python_stays_where_it_is(folders: tuple[Path, Path]) -> None:
    old, new = folders
    for path in (old / "pack/__pycache__").iterdir():
        path.write_bytes(b"\0\0\0\0" + path.read_bytes()[4:])
    assert bytecode.carry(old, new) == 0
