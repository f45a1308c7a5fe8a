"""What is wrong with a notebook, and what is wrong among all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fin_kedro.authoring.notebook import Notebook, read_notebook
from fin_kedro.authoring.project import AuthoringError, Project
from fin_kedro.authoring.translation import header_notebook, module_path, orphans


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a notebook and its module from agreeing."""

    where: str
    what: str
    mends: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    blocks: bool = False  # no export while it lasts


def read_all(project: Project, paths: list[Path]) -> tuple[list[Problem], list[Notebook]]:
    """Notebooks that can be read, and a problem for each that cannot."""
    problems, notebooks = [], []
    for path in paths:
        try:
            notebooks.append(read_notebook(path))
        except AuthoringError as error:
            what = str(error).removeprefix(f"{path}: ")
            problems.append(Problem(project.name(path), what, blocks=True))
    return problems, notebooks


def duplicate_problems(project: Project, notebooks: Iterable[Notebook]) -> Iterator[Problem]:
    """Modules that more than one notebook names."""
    makers: dict[str, list[str]] = {}
    for notebook in notebooks:
        if notebook.module:
            makers.setdefault(notebook.module, []).append(project.name(notebook.path))
    for module, names in sorted(makers.items()):
        if len(names) > 1:
            what = f"all export {module}; the last would win silently."
            mend = "give each its own `#| default_exp`"
            yield Problem(" and ".join(names), what, (mend,), blocks=True)


def orphan_problems(project: Project, notebooks: Iterable[Notebook]) -> Iterator[Problem]:
    """Generated modules that none of the notebooks makes."""
    made = [module_path(project, n.module) for n in notebooks if n.module]
    for path in orphans(project, made):
        source = header_notebook(path)
        gone = source.name if source else "?"
        name = project.name(path)
        yield Problem(name, f"no notebook makes it any more ({gone}).", (f"git rm {name}",))
