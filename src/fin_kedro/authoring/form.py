"""The form of one notebook: an essay's shape, and cells that make a module that works."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fin_kedro.authoring.notebook import EXPORTS, Cell, Notebook, split_directives
from fin_kedro.authoring.problems import Problem
from fin_kedro.authoring.project import Project
from fin_kedro.authoring.translation import header_notebook, module_path

MODULE_NAME = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*")
MAX_DOCSTRING = 3  # lines; from 4 on nbdev's own export rewrites the package's docstring


def shape_problems(name: str, notebook: Notebook) -> Iterator[Problem]:
    """The essay's form: a title and one line saying what is turned into what."""
    first = next((cell.source for cell in notebook.cells if cell.kind == "markdown"), "")
    if not first.startswith("# "):
        yield Problem(name, "the first text cell does not begin with a title (`# Title`).")
    quoted = [line for line in first.splitlines() if line.startswith("> ")]
    if not quoted:
        yield Problem(name, "no `> ` line under the title saying what it turns into what.")
    if len(quoted) > MAX_DOCSTRING:
        what = f"{len(quoted)} `> ` lines under the title; a module's docstring has at most"
        yield Problem(name, f"{what} {MAX_DOCSTRING}.")
    ids = [cell.id for cell in notebook.cells]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        what = f"two cells carry the id {twice!r}." if twice else "cells without an id."
        yield Problem(name, what, (f"kedro notebooks clean {name}",), blocks=True)


def _cell_problems(name: str, cell: Cell) -> Iterator[Problem]:
    """What would leave a broken module behind."""
    where = f"{name}, {cell.label}"
    code = split_directives(cell)[1]
    targets = [cell.directives[word] for word in EXPORTS & cell.directives.keys()]
    if any(targets):
        what = f"exports into another module ({targets[0]!r}); one notebook makes one module."
        yield Problem(where, what, ("write a plain `#| export`",), blocks=True)
    if any(line.startswith(("%", "!")) for line in cell.source.splitlines()[:1]):
        yield _magic(where, cell.source.splitlines()[0])
        return
    try:
        tree = ast.parse(code)
        compile(code, "cell", "exec", dont_inherit=True)
    except SyntaxError as error:
        line = code.splitlines()[min(error.lineno or 1, len(code.splitlines())) - 1]
        magic = next((s for s in code.splitlines() if s.lstrip().startswith(("%", "!"))), None)
        if magic:
            yield _magic(where, magic)
        else:
            yield Problem(where, f"is not valid Python: {error.msg}: {line.strip()!r}", blocks=True)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            what = f"imports relatively: {ast.unparse(node)!r}."
            mend = "write `from fin_kedro....`"
            yield Problem(where, what, (mend,), blocks=True)


def _magic(where: str, line: str) -> Problem:
    what = f"has a magic or shell line in an exported cell: {line.strip()!r}."
    return Problem(where, what, ("move it to a cell that is not exported",), blocks=True)


def export_problems(project: Project, notebook: Notebook) -> Iterator[Problem]:
    """Whether and where the notebook exports."""
    name, module = project.name(notebook.path), notebook.module
    exported = [cell for cell in notebook.cells if cell.exported]
    for cell in exported:
        yield from _cell_problems(name, cell)
    if sum("default_exp" in cell.directives for cell in notebook.cells) > 1:
        yield Problem(name, "has more than one `#| default_exp`.", blocks=True)
    if exported and module is None:
        mend = "begin the first code cell with `#| default_exp folder.module`"
        yield Problem(name, "exports cells but names no module.", (mend,), blocks=True)
    if module is None:
        return
    if not MODULE_NAME.fullmatch(module):
        what = f"`#| default_exp {module}` is not a module name such as models.graph."
        yield Problem(name, what, blocks=True)
        return
    path = module_path(project, module)
    if path.exists() and header_notebook(path) is None:
        what = f"would overwrite {project.name(path)}, which is written by hand."
        yield Problem(name, what, ("choose another `#| default_exp`",), blocks=True)
    if not exported:
        what = f"names the module {module} but exports no cell."
        yield Problem(name, what, ("mark a cell with `#| export`",), blocks=True)
