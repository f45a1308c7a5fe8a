"""Where notebooks and modules are, and which of them a command is about."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class AuthoringError(Exception):
    """A notebook or module that cannot be worked on, with the next step."""


@dataclass(frozen=True)
class Project:
    """Where notebooks and modules are: `[tool.nbdev]` of pyproject.toml."""

    root: Path
    notebooks: Path
    package: Path
    cell_metadata: tuple[str, ...] = ()

    def name(self, path: Path) -> str:
        """`path` as a person would type it from the project's root."""
        return path.relative_to(self.root).as_posix()

    def swept(self) -> tuple[Path, ...]:
        """Folders whose notebooks are kept clean."""
        return (self.notebooks, self.root / "nbs_ci")


def find_project(start: Path | None = None) -> Project:
    """The project around `start` (the working folder when None).

    Raises:
        AuthoringError: no pyproject.toml with a `[tool.nbdev]` table above `start`.
    """
    start = (start or Path.cwd()).resolve()
    for root in (start, *start.parents):
        file = root / "pyproject.toml"
        table = tomllib.loads(file.read_text("utf-8")).get("tool", {}) if file.is_file() else {}
        if "nbdev" in table:
            made = table["nbdev"]
            keep = tuple(made.get("allowed_cell_metadata_keys", ()))
            return Project(root, root / made["nbs_path"], root / made["lib_path"], keep)
    raise AuthoringError(
        f"No pyproject.toml with a [tool.nbdev] table in {start} or above it."
        " Next: run the command inside a fin_kedro project."
    )


def notebook_files(folders: Iterable[Path]) -> list[Path]:
    """Notebooks below `folders`, sorted; hidden folders and checkpoints left out."""
    found = []
    for folder in folders:
        for path in folder.rglob("*.ipynb"):
            if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts):
                found.append(path)
    return sorted(found)


def chosen_notebooks(
    project: Project, paths: Iterable[Path], folders: Iterable[Path]
) -> list[Path]:
    """`paths` made absolute and checked, or all notebooks of `folders` when there are none."""
    chosen = [Path(path).resolve() for path in paths]
    for path in chosen:
        if path.suffix != ".ipynb" or not path.is_file():
            raise AuthoringError(f"{path} is not a notebook file (.ipynb).")
        if not path.is_relative_to(project.root):
            raise AuthoringError(f"{path} is not inside the project {project.root}.")
    return chosen or notebook_files(folders)
