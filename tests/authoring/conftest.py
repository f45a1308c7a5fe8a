"""A small project for every test of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_project import EXAMPLE, IMPORT, PYPROJECT, RATIO, TITLE, notebook, run, save


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one exported notebook that makes tiny.sums.ratio."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    package = tmp_path / "src" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Tiny."""\n', "utf-8")
    (package / "base.py").write_text('"""By hand."""\n\nZERO = 0.0\n', "utf-8")
    content = notebook(TITLE, "#| default_exp sums.ratio", IMPORT, RATIO, EXAMPLE)
    save(tmp_path / "notebooks" / "ratio.ipynb", content)
    monkeypatch.chdir(tmp_path)
    assert run("export").exit_code == 0
    return tmp_path
