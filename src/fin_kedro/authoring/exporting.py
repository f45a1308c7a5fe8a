"""Writes the modules of notebooks: all that were asked for, or none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fin_kedro.authoring.form import export_problems, shape_problems
from fin_kedro.authoring.notebook import Notebook
from fin_kedro.authoring.problems import Problem, duplicate_problems, orphan_problems, read_all
from fin_kedro.authoring.project import Project, chosen_notebooks, notebook_files
from fin_kedro.authoring.translation import module_path, regenerate


@dataclass(frozen=True)
class Change:
    """What export did to one module: new, changed, unchanged or orphan."""

    module: str
    notebook: str
    state: str
    added: int = 0
    removed: int = 0


def export_all(project: Project, paths: Iterable[Path] = ()) -> list[Change] | list[Problem]:
    """Write the modules of `paths`, or of every notebook; a list of problems when none was written.

    Returns:
        Changes by module, orphans last; or the problems that must be mended first.
    """
    blocked, notebooks = read_all(project, notebook_files([project.notebooks]))
    chosen = set(chosen_notebooks(project, paths, [project.notebooks]))
    blocked = [p for p in blocked if project.root / p.where in chosen]
    blocked += list(duplicate_problems(project, notebooks))
    picked = [notebook for notebook in notebooks if notebook.path in chosen]
    for notebook in picked:
        found = [
            *shape_problems(project.name(notebook.path), notebook),
            *export_problems(project, notebook),
        ]
        blocked += [problem for problem in found if problem.blocks]
    if blocked:
        return blocked
    texts = [(n, regenerate(project, n)) for n in picked if n.module]
    changes = [write_module(project, notebook, text) for notebook, text in texts]
    for problem in [] if paths else orphan_problems(project, notebooks):
        changes.append(Change(problem.where, problem.what, "orphan"))
    return changes


def write_module(project: Project, notebook: Notebook, text: str) -> Change:
    """Write a module's text where it is another one, with the packages above it; what changed."""
    path = module_path(project, notebook.module or "")
    change = Change(project.name(path), project.name(notebook.path), "unchanged")
    old = path.read_text("utf-8") if path.exists() else None
    if old == text:
        return change
    for folder in (path.parent, *path.parent.parents):
        if folder == project.package.parent:
            break
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    path.write_text(text, "utf-8")
    lines = list(difflib.unified_diff((old or "").splitlines(), text.splitlines(), n=0))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    state = "new" if old is None else "changed"
    return replace(change, state=state, added=added, removed=removed)
