"""A module's text is the notebook's exported cells, importing as the notebook does."""

from __future__ import annotations

from pathlib import Path

from .tiny_project import module, run


def test_export_writes_a_module_that_imports_as_its_notebook_does(root: Path) -> None:
    text = module(root).read_text("utf-8")
    assert text.startswith('"""from two amounts to a ratio"""')
    assert "from tiny.base import ZERO" in text
    assert "assert" not in text
    assert (module(root).parent / "__init__.py").is_file()
    assert run("check").exit_code == 0
