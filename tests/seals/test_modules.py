"""Hashes of modules that comments do not change, and what a module needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.seals.modules import Sources, code_cells, named_in, notebook_hash, prose_hash

MODULE = (
    '"""Says what."""\n\nimport os\n\n\ndef f(x: int = 1) -> int:\n    """Doc."""\n    return x\n'
)


def package(src: Path, **files: str) -> Sources:
    """A package `fin_kedro` with these modules; ``a__b`` stands for ``a/b.py``."""
    for name, text in files.items():
        path = src / "fin_kedro" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent, src / "fin_kedro"):
            (folder / "__init__.py").touch()
        path.write_text(text)
    return Sources(src)


@pytest.mark.parametrize(
    "same",
    [
        "# a remark\n" + MODULE,
        MODULE.replace("Says what", "Says more"),
        MODULE.replace("    return x\n", "\n    return (x)  # so\n"),
        MODULE.replace('    """Doc."""\n', ""),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(tmp_path: Path, same: str) -> None:
    before = package(tmp_path / "a", m=MODULE).hash("fin_kedro.m")
    assert package(tmp_path / "b", m=same).hash("fin_kedro.m") == before


@pytest.mark.parametrize(
    "other",
    [
        MODULE.replace("= 1", "= 2"),
        MODULE.replace("return x", 'return "x"'),
        MODULE.replace("import os", "import sys"),
        MODULE.replace("x: int", "y: int").replace("return x", "return y"),
        MODULE + "f(2)\n",
    ],
)
def test_anything_else_changes_the_hash(tmp_path: Path, other: str) -> None:
    before = package(tmp_path / "a", m=MODULE).hash("fin_kedro.m")
    assert package(tmp_path / "b", m=other).hash("fin_kedro.m") != before


@pytest.mark.parametrize(
    "line",
    [
        "import fin_kedro.b.c",
        "from fin_kedro.b.c import something",
        "from fin_kedro.b import c",
        "from .b import c",
        "from .b.c import something",
        "def f():\n    from fin_kedro.b import c",
        "try:\n    import fin_kedro.b.c\nexcept ImportError:\n    pass",
        "match 1:\n    case 1:\n        import fin_kedro.b.c",
    ],
)
def test_imports_are_followed_wherever_they_stand(tmp_path: Path, line: str) -> None:
    sources = package(tmp_path, a=line, b__c="from ..d import x", d="", other="")
    found = sources.closure("fin_kedro.a")
    assert set(found) == {f"fin_kedro{n}" for n in ("", ".a", ".b", ".b.c", ".d")}


def test_what_is_imported_for_types_only_is_not_needed(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import fin_kedro.b\n"
    sources = package(tmp_path, a=text, b="")
    assert set(sources.closure("fin_kedro.a")) == {"fin_kedro", "fin_kedro.a"}


def test_modules_that_need_each_other_are_no_endless_loop(tmp_path: Path) -> None:
    sources = package(tmp_path, a="import fin_kedro.b", b="import fin_kedro.a")
    assert set(sources.closure("fin_kedro.a")) == {"fin_kedro", "fin_kedro.a", "fin_kedro.b"}


def test_files_beside_a_module_belong_to_the_one_that_names_them(tmp_path: Path) -> None:
    sources = package(tmp_path, a='STYLE = "pages"', b="")
    style = tmp_path / "fin_kedro/pages/deep/style.css"
    style.parent.mkdir(parents=True)
    style.write_text("a {}")
    sources = Sources(tmp_path)
    assert "fin_kedro/pages/deep/style.css" in sources.closure("fin_kedro.a")
    assert "fin_kedro/pages/deep/style.css" not in sources.closure("fin_kedro.b")


def test_a_name_is_traced_to_its_module(tmp_path: Path) -> None:
    sources = package(tmp_path, b__c="")
    assert sources.module_of("fin_kedro.b.c.function") == "fin_kedro.b.c"
    assert sources.module_of("numpy.exp") is None
    assert sources.closure("numpy") == {}


def notebook(path: Path, *cells: tuple[str, str], **metadata: Any) -> Path:
    found = [{"cell_type": k, "source": s.splitlines(True), "metadata": metadata} for k, s in cells]
    path.write_text(json.dumps({"cells": found}))
    return path


def test_prose_changes_a_notebook_but_not_its_code(tmp_path: Path) -> None:
    first = notebook(tmp_path / "a.ipynb", ("markdown", "# One"), ("code", "x = 1"))
    second = notebook(tmp_path / "b.ipynb", ("markdown", "# Two"), ("code", "x = 1  # so"))
    third = notebook(tmp_path / "c.ipynb", ("markdown", "# One"), ("code", "x = 2"))
    assert notebook_hash(first) == notebook_hash(second) != notebook_hash(third)
    assert len({prose_hash(path) for path in (first, second, third)}) == 3


def test_a_cell_with_a_magic_counts_as_its_text(tmp_path: Path) -> None:
    first = notebook(tmp_path / "a.ipynb", ("code", "%time x"))
    second = notebook(tmp_path / "b.ipynb", ("code", "%time y"))
    assert notebook_hash(first) != notebook_hash(second)


def test_injected_parameters_are_no_source(tmp_path: Path) -> None:
    path = notebook(tmp_path / "a.ipynb", ("code", "x = 1"), tags=["injected-parameters"])
    assert code_cells(path) == []


def test_parameters_may_name_code(tmp_path: Path) -> None:
    sources = package(tmp_path / "src", features__fraud_statistics="")
    notebook(tmp_path / "report.ipynb", ("code", "import fin_kedro.features"))
    value = {
        "statistics": "fin_kedro.features.fraud_statistics:fraud_statistics",
        "report": {"notebook": "report.ipynb", "gone": "gone.ipynb"},
        "words": ["nothing special", "1.5", "a.b", "fin_kedro is a name"],
    }
    modules, notebooks = named_in(value, tmp_path, sources)
    assert modules == ["fin_kedro.features.fraud_statistics"]
    assert notebooks == [tmp_path / "report.ipynb"]
    assert set(sources.notebook_closure(notebooks[0])) == {"fin_kedro", "fin_kedro.features"}
