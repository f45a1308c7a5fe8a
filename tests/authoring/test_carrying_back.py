"""An edit of a module is carried back into its notebook, or refused whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_project import edit, module, run


def test_update_carries_the_edit_back(root: Path) -> None:
    edit(module(root), "a / b", "a // b")
    edit(module(root), "import ZERO", "import ZERO as ZERO")
    done = run("update", "src/tiny/sums/ratio.py")
    assert done.exit_code == 0
    assert "cell 3 (#cell3)" in done.output
    text = (root / "notebooks/ratio.ipynb").read_text("utf-8")
    assert "a // b" in text
    assert "from tiny.base import ZERO as ZERO" in text
    assert '"#| export\\n"' in text
    assert run("check").exit_code == 0


def test_update_refreshes_all_when_a_function_is_renamed(root: Path) -> None:
    edit(module(root), "def ratio", "def share")
    assert run("update", "src/tiny/sums/ratio.py").exit_code == 0
    assert "__all__ = ['share']" in module(root).read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def ratio", "def ratio(:", "not valid Python"),
        ("from two amounts", "from three amounts", "edit the docstring in the notebook"),
        ("#cell3\n", "\n", "is in no cell"),
    ],
)
def test_update_refuses_what_it_cannot_carry_back(
    root: Path, old: str, new: str, said: str
) -> None:
    before = (root / "notebooks/ratio.ipynb").read_text("utf-8")
    edit(module(root), old, new)
    done = run("update", "src/tiny/sums/ratio.py")
    assert done.exit_code == 1
    assert said in done.output
    assert (root / "notebooks/ratio.ipynb").read_text("utf-8") == before


@pytest.mark.parametrize("path", ["src/tiny/base.py", "src/tiny/none.py", "notebooks/ratio.ipynb"])
def test_update_wants_a_generated_module(root: Path, path: str) -> None:
    done = run("update", path)
    assert done.exit_code == 1
    assert "Error: " in done.output
