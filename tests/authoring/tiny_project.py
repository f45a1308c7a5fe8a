"""A small project of its own, and `kedro notebooks` in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from fin_kedro.authoring.cleaning import clean_notebook, notebook_text
from fin_kedro.cli.notebooks import notebooks_group

PYPROJECT = """
[project]
name = "tiny"
version = "0"
[tool.nbdev]
lib_name = "tiny"
lib_path = "src/tiny"
nbs_path = "notebooks"
allowed_cell_metadata_keys = ["tags"]
update_pyproject = false
"""
TITLE = "# Ratios\n> from two amounts to a ratio"
IMPORT = "#| export\nfrom tiny.base import ZERO"
RATIO = "#| export\ndef ratio(a: float, b: float) -> float:\n    return a / b if b else ZERO"
EXAMPLE = "assert ratio(1, 2) == 0.5"


def notebook(*sources: str, **changes: Any) -> dict[str, Any]:
    """A clean notebook: sources that begin with "# " are text, others code."""
    cells = []
    for number, source in enumerate(sources):
        cell: dict[str, Any] = {"id": f"cell{number}", "metadata": {}, "source": source}
        if source.startswith("# "):
            cells.append(cell | {"cell_type": "markdown"})
        else:
            cells.append(cell | {"cell_type": "code", "execution_count": None, "outputs": []})
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    clean_notebook(content)
    return content | changes


def save(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook_text(content), "utf-8")
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(notebooks_group, list(arguments))


def module(root: Path) -> Path:
    return root / "src" / "tiny" / "sums" / "ratio.py"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
