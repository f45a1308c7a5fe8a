"""Carries an edit of a generated module back into its notebook."""

from __future__ import annotations

import json
from pathlib import Path

from fin_kedro.authoring.cleaning import notebook_text
from fin_kedro.authoring.exporting import write_module
from fin_kedro.authoring.notebook import Cell, Notebook, read_notebook, split_directives
from fin_kedro.authoring.project import AuthoringError, Project
from fin_kedro.authoring.translation import (
    HEADER,
    absolute_imports,
    header_notebook,
    regenerate,
    split_module,
)


def update_notebook(project: Project, module: Path) -> list[str]:
    """Carry an edit of a generated module back into its notebook, then export it again.

    Args:
        module: the module's file.

    Returns:
        Labels of the cells that changed.

    Raises:
        AuthoringError: the edit cannot be carried back (a new or removed block, a changed
            docstring, a hand-written module); nothing is written then.
    """
    path = Path(module).resolve()
    if path.suffix != ".py" or not path.is_file() or not path.is_relative_to(project.package):
        raise AuthoringError(f"{module} is not a module file inside {project.package}.")
    source = header_notebook(path)
    if source is None:
        raise AuthoringError(f"{project.name(path)} is written by hand: no notebook to update.")
    notebook = read_notebook(source)
    edits = _edits(project, notebook, path)
    if edits:
        content = json.loads(notebook.text)
        for cell, code in edits:
            directives, _ = split_directives(cell)
            content["cells"][cell.index]["source"] = (directives + code).splitlines(keepends=True)
        source.write_text(notebook_text(content), "utf-8")
    write_module(project, read_notebook(source), regenerate(project, read_notebook(source)))
    return [cell.label for cell, _ in edits]


def _edits(project: Project, notebook: Notebook, path: Path) -> list[tuple[Cell, str]]:
    """Cells whose code changed in the module, with the new code for the notebook."""
    name = project.name(path)
    head, made = split_module(regenerate(project, notebook))
    own_head, own = split_module(path.read_text("utf-8"))
    docstring, own_docstring = (text.partition(HEADER)[0] for text in (head, own_head))
    if docstring != own_docstring:
        raise AuthoringError(f"{name}: edit the docstring in the notebook (its `> ` line).")
    for cell_id in own.keys() - made.keys():
        raise AuthoringError(
            f"{name}: the block {cell_id!r} is in no cell of {project.name(notebook.path)}."
            " Next: write new code inside a block that has a cell, or add the cell in the notebook."
        )
    for cell_id in made.keys() - own.keys():
        raise AuthoringError(f"{name}: the block of cell #{cell_id} is gone; delete it there.")
    cells = {cell.id: cell for cell in notebook.cells}
    edits = []
    for cell_id, code in own.items():
        if code != made[cell_id]:
            edits.append((cells[cell_id], absolute_imports(project, path, code)))
    return edits
