"""Whether notebooks are clean and agree with their modules, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from fin_kedro.authoring.cleaning import cleaned_text
from fin_kedro.authoring.form import export_problems, shape_problems
from fin_kedro.authoring.notebook import Cell, Notebook
from fin_kedro.authoring.problems import Problem, duplicate_problems, orphan_problems, read_all
from fin_kedro.authoring.project import Project, notebook_files
from fin_kedro.authoring.translation import module_path, regenerate, split_module

MAX_DIFF = 24  # lines shown of a difference


def check_all(project: Project) -> list[Problem]:
    """Everything that keeps notebooks and modules from agreeing, notebook by notebook."""
    problems, notebooks = read_all(project, notebook_files([project.notebooks]))
    problems += list(duplicate_problems(project, notebooks))
    for notebook in notebooks:
        found = list(export_problems(project, notebook))
        problems += [*shape_problems(project.name(notebook.path), notebook), *found]
        if notebook.module and not any(problem.blocks for problem in found):
            problems += list(_sync_problems(project, notebook))
    others, more = read_all(project, notebook_files(project.swept()[1:]))
    unclean = (_clean_problem(project, notebook) for notebook in [*notebooks, *more])
    problems += others + [problem for problem in unclean if problem]
    return problems + list(orphan_problems(project, notebooks))


def _clean_problem(project: Project, notebook: Notebook) -> Problem | None:
    if cleaned_text(project, notebook) == notebook.text:
        return None
    raw = notebook.content["cells"]
    allowed = set(project.cell_metadata)
    reasons = {
        "outputs": [c for c, cell in zip(notebook.cells, raw, strict=True) if cell.get("outputs")],
        "execution counts": [
            c for c, cell in zip(notebook.cells, raw, strict=True) if cell.get("execution_count")
        ],
        "metadata": [
            c
            for c, cell in zip(notebook.cells, raw, strict=True)
            if set(cell.get("metadata", {})) - allowed
        ],
    }
    said = [f"{what} in {_some(cells)}" for what, cells in reasons.items() if cells]
    name = project.name(notebook.path)
    what = f"is not clean: {', '.join(said) or 'notebook metadata or layout'}."
    return Problem(name, what, (f"kedro notebooks clean {name}",))


def _some(cells: list[Cell]) -> str:
    shown = ", ".join(cell.label for cell in cells[:3])
    return shown + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")


def _sync_problems(project: Project, notebook: Notebook) -> Iterator[Problem]:
    """Where the module on disk is not what the notebook makes."""
    name = project.name(notebook.path)
    path = module_path(project, notebook.module or "")
    module = project.name(path)
    export, update = f"kedro notebooks export {name}", f"kedro notebooks update {module}"
    if not path.is_file():
        yield Problem(name, f"its module {module} is not there.", (export,))
        return
    made, found = regenerate(project, notebook), path.read_text("utf-8")
    if made == found:
        return
    mends = (f"keep the notebook's: {export}", f"keep the module's:   {update}")
    (head, cells), (own_head, own) = split_module(made), split_module(found)
    by_id = {cell.id: cell for cell in notebook.cells}
    for cell_id in [*cells, *(i for i in own if i not in cells)]:
        old, new = cells.get(cell_id), own.get(cell_id)
        if old == new:
            continue
        place = by_id[cell_id].label if cell_id in by_id else f"block {cell_id!r}"
        what = f"differs from {module}."
        if new is None:
            what = f"is exported but missing from {module}."
        if old is None:
            what = f"is in {module} but not exported by the notebook."
        yield Problem(f"{name}, {place}", what, mends, _diff(old or "", new or ""))
    if head != own_head or list(cells) != [i for i in own if i in cells]:
        what = f"docstring, `__all__` or order of cells differs from {module}."
        yield Problem(name, what, (export,), _diff(head, own_head))


def _diff(old: str, new: str) -> tuple[str, ...]:
    """`-` what the notebook makes, `+` what the module says."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    more = [f"... {len(lines) - MAX_DIFF} more lines"] if len(lines) > MAX_DIFF else []
    return tuple(lines[:MAX_DIFF] + more)
