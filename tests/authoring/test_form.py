"""The form of one notebook: what would leave a broken module behind is not exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_project import TITLE, notebook, run, save


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("#| export\n%matplotlib inline\nX = 1", "magic or shell line"),
        ("#| export\nX = 1\n!ls", "magic or shell line"),
        ("#| export\n%%time\nX = 1", "magic or shell line"),
        ("#| export\ndef broken(:", "not valid Python"),
        ("#| export\nfrom .base import ZERO", "imports relatively"),
        ("#| export sums.other\nX = 1", "one notebook makes one module"),
        ("#| default_exp second\n#| export\nX = 1", "more than one `#| default_exp`"),
    ],
)
def test_a_cell_that_would_break_the_module_blocks_the_export(
    root: Path, cell: str, said: str
) -> None:
    sources = (TITLE, "#| default_exp bad", "#| export\nY = 1", cell)
    save(root / "notebooks/bad.ipynb", notebook(*sources))
    for command in ("check", "export"):
        done = run(command)
        assert done.exit_code == 1
        assert said in done.output
    assert not (root / "src/tiny/bad.py").exists()


def test_a_percent_sign_inside_an_expression_is_no_magic(root: Path) -> None:
    cell = '#| export\nX = ("%s"\n% "a")'
    save(root / "notebooks/fine.ipynb", notebook(TITLE, "#| default_exp fine", cell))
    assert run("export").exit_code == 0


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ((TITLE, "#| export\nX = 1"), "names no module"),
        ((TITLE, "#| default_exp Bad-name", "#| export\nX = 1"), "is not a module name"),
        ((TITLE, "#| default_exp base", "#| export\nX = 1"), "written by hand"),
        ((TITLE, "#| default_exp none", "X = 1"), "exports no cell"),
        (("# Only a title", "X = 1"), "no `> ` line"),
        (("X = 1",), "does not begin with a title"),
        ((TITLE + "\n> b\n> c\n> d",), "at most"),
    ],
)
def test_form_and_names(root: Path, sources: tuple[str, ...], said: str) -> None:
    base = (root / "src/tiny/base.py").read_text("utf-8")
    save(root / "notebooks/bad.ipynb", notebook(*sources))
    done = run("check")
    assert done.exit_code == 1
    assert said in done.output
    run("export")
    assert (root / "src/tiny/base.py").read_text("utf-8") == base


def test_a_notebook_that_exports_nothing_is_fine(root: Path) -> None:
    save(root / "notebooks/tour.ipynb", notebook(TITLE, "print(1)"))
    assert run("check").exit_code == 0


def test_duplicate_ids_are_found(root: Path) -> None:
    content = notebook(TITLE, "X = 1", "Y = 1")
    content["cells"][2]["id"] = "cell1"
    save(root / "notebooks/twice.ipynb", content)
    assert "two cells carry the id 'cell1'" in run("check").output
