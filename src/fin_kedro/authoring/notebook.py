"""A notebook read from disk: its cells, their directives, the module that it names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fin_kedro.authoring.project import AuthoringError

DIRECTIVE = re.compile(r"#\|\s*([^\s:]+)\s*:?\s*(.*?)\s*$")
EXPORTS = {"export", "exporti", "exports"}


@dataclass(frozen=True)
class Cell:
    """A notebook cell with its nbdev directives apart from its code."""

    index: int
    id: str
    kind: str
    source: str
    directives: dict[str, str] = field(default_factory=dict)

    @property
    def exported(self) -> bool:
        return self.kind == "code" and bool(EXPORTS & self.directives.keys())

    @property
    def label(self) -> str:
        return f"cell {self.index} (#{self.id})"


@dataclass(frozen=True)
class Notebook:
    """A notebook read from disk, and the module it names, if any."""

    path: Path
    text: str
    content: dict[str, Any]
    cells: tuple[Cell, ...]

    @property
    def module(self) -> str | None:
        """The value of `#| default_exp`, for example "models.graph"."""
        names = [c.directives["default_exp"] for c in self.cells if "default_exp" in c.directives]
        return names[0] if names else None


def read_notebook(path: Path) -> Notebook:
    """Read one notebook.

    Raises:
        AuthoringError: the file is missing, is not JSON, or is not a version 4 notebook.
    """
    try:
        text = path.read_text("utf-8")
        content = json.loads(text)
        raw = content["cells"]
        if content["nbformat"] != 4 or not isinstance(raw, list):
            raise KeyError("nbformat")
        cells = tuple(_cell(number, cell) for number, cell in enumerate(raw))
    except FileNotFoundError:
        raise AuthoringError(f"{path}: no such notebook.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuthoringError(
            f"{path}: not a notebook of format 4 ({type(error).__name__}: {error})."
            " Next: `git checkout` it, or open it in JupyterLab (make lab) and save it."
        ) from None
    return Notebook(path, text, content, cells)


def _cell(index: int, cell: dict[str, Any]) -> Cell:
    source = joined(cell["source"])
    directives = {}
    if cell["cell_type"] == "code":
        for line in source.splitlines():
            found = DIRECTIVE.match(line)
            if not found and line.strip():
                break
            if found:
                directives[found[1]] = found[2]
    return Cell(index, str(cell.get("id", "")), cell["cell_type"], source, directives)


def joined(source: Any) -> str:
    """A source as one text: notebooks have it as a text or as a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def split_directives(cell: Cell) -> tuple[str, str]:
    """The directive lines of a cell, and the code below them."""
    lines = cell.source.splitlines(keepends=True)
    cut = next((i for i, s in enumerate(lines) if s.strip() and not DIRECTIVE.match(s)), len(lines))
    return "".join(lines[:cut]), "".join(lines[cut:])
