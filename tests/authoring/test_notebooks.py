"""`kedro notebooks` in a small project of its own: every finding names the place and a mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fin_kedro.authoring import notebooks as authoring
from fin_kedro.cli.notebooks import notebooks_group

PYPROJECT = """
[project]
name = "tiny"
version = "0"
[tool.nbdev]
lib_name = "tiny"
lib_path = "src/tiny"
nbs_path = "notebooks"
allowed_cell_metadata_keys = ["tags"]
update_pyproject = false
"""
TITLE = "# Ratios\n> from two amounts to a ratio"
IMPORT = "#| export\nfrom tiny.base import ZERO"
RATIO = "#| export\ndef ratio(a: float, b: float) -> float:\n    return a / b if b else ZERO"
PRINTED = {"output_type": "stream", "name": "stdout", "text": "1"}
EXAMPLE = "assert ratio(1, 2) == 0.5"


def notebook(*sources: str, **changes: Any) -> dict[str, Any]:
    """A clean notebook: sources that begin with "# " are text, others code."""
    cells = []
    for number, source in enumerate(sources):
        cell: dict[str, Any] = {"id": f"cell{number}", "metadata": {}, "source": source}
        if source.startswith("# "):
            cells.append(cell | {"cell_type": "markdown"})
        else:
            cells.append(cell | {"cell_type": "code", "execution_count": None, "outputs": []})
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    authoring.clean_notebook(content)
    return content | changes


def save(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(authoring.notebook_text(content), "utf-8")
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one exported notebook that makes tiny.sums.ratio."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    package = tmp_path / "src" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Tiny."""\n', "utf-8")
    (package / "base.py").write_text('"""By hand."""\n\nZERO = 0.0\n', "utf-8")
    content = notebook(TITLE, "#| default_exp sums.ratio", IMPORT, RATIO, EXAMPLE)
    save(tmp_path / "notebooks" / "ratio.ipynb", content)
    monkeypatch.chdir(tmp_path)
    assert run("export").exit_code == 0
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(notebooks_group, list(arguments))


def module(root: Path) -> Path:
    return root / "src" / "tiny" / "sums" / "ratio.py"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_export_writes_a_module_that_imports_as_its_notebook_does(root: Path) -> None:
    text = module(root).read_text("utf-8")
    assert text.startswith('"""from two amounts to a ratio"""')
    assert "from tiny.base import ZERO" in text
    assert "assert" not in text
    assert (module(root).parent / "__init__.py").is_file()
    assert run("check").exit_code == 0


def test_a_module_imported_from_its_package_is_imported_so_by_the_export(root: Path) -> None:
    cells = "#| export\nfrom tiny.sums import ratio", "#| export\nX = 1"
    save(root / "notebooks/other.ipynb", notebook(TITLE, "#| default_exp sums.other", *cells))
    assert run("export").exit_code == 0
    made = module(root).with_name("other.py").read_text("utf-8")
    assert "\nfrom tiny.sums import ratio\n" in made


def test_export_touches_only_what_changes_and_nothing_beside(root: Path) -> None:
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*") if p.is_file()}
    done = run("export")
    assert "unchanged  1 of 1" in done.output
    after = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*") if p.is_file()}
    assert after == before


def test_export_says_new_and_changed_with_counts(root: Path) -> None:
    edit(root / "notebooks/ratio.ipynb", "a / b if b", "b and a / b if b")
    save(
        root / "notebooks/other.ipynb", notebook(TITLE, "#| default_exp other", "#| export\nX = 1")
    )
    output = run("export").output
    assert "changed    src/tiny/sums/ratio.py (+1 -1) from notebooks/ratio.ipynb" in output
    assert "new        src/tiny/other.py" in output


def test_a_hand_edit_is_found_and_names_the_cell_and_both_mends(root: Path) -> None:
    edit(module(root), "a / b", "a // b")
    done = run("check")
    assert done.exit_code == 1
    assert (
        "notebooks/ratio.ipynb, cell 3 (#cell3): differs from src/tiny/sums/ratio.py" in done.output
    )
    assert "+    return a // b if b else ZERO" in done.output
    assert "kedro notebooks export notebooks/ratio.ipynb" in done.output
    assert "kedro notebooks update src/tiny/sums/ratio.py" in done.output


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


def test_a_missing_module_and_a_removed_block_are_found(root: Path) -> None:
    text = module(root).read_text("utf-8")
    module(root).write_text(
        text.partition("\n\n# %% ../../../notebooks/ratio.ipynb #cell3")[0] + "\n"
    )
    assert "cell 3 (#cell3): is exported but missing" in run("check").output
    module(root).unlink()
    assert "its module src/tiny/sums/ratio.py is not there" in run("check").output


def test_an_orphan_is_found_by_check_and_named_by_export(root: Path) -> None:
    (root / "notebooks/ratio.ipynb").unlink()
    done = run("check")
    assert done.exit_code == 1
    assert "src/tiny/sums/ratio.py: no notebook makes it any more (ratio.ipynb)" in done.output
    assert "git rm src/tiny/sums/ratio.py" in run("export").output


def test_two_notebooks_with_one_module_block_the_export(root: Path) -> None:
    content = notebook(TITLE, "#| default_exp sums.ratio", "#| export\nX = 1")
    save(root / "notebooks/twin.ipynb", content)
    before = module(root).read_text("utf-8")
    for command in ("check", "export"):
        done = run(command)
        assert done.exit_code == 1
        assert (
            "notebooks/ratio.ipynb and notebooks/twin.ipynb: all export sums.ratio" in done.output
        )
    assert module(root).read_text("utf-8") == before


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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3, "nbformat": 4}', '{"cells": []}'])
def test_a_broken_file_is_named(root: Path, text: str) -> None:
    (root / "notebooks/broken.ipynb").write_text(text, "utf-8")
    for command in ("check", "export"):
        done = run(command)
        assert done.exit_code == 1
        assert "notebooks/broken.ipynb" in done.output
        assert "not a notebook of format 4" in done.output


def test_duplicate_ids_are_found(root: Path) -> None:
    content = notebook(TITLE, "X = 1", "Y = 1")
    content["cells"][2]["id"] = "cell1"
    save(root / "notebooks/twice.ipynb", content)
    assert "two cells carry the id 'cell1'" in run("check").output


@pytest.mark.parametrize("folder", ["notebooks", "nbs_ci"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"execution_count": 3}, "execution counts in cell 1"),
        (
            {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]},
            "outputs in cell",
        ),
        ({"metadata": {"scrolled": True}}, "metadata in cell 1"),
    ],
)
def test_a_dirty_notebook_is_named_and_cleaned(
    root: Path, folder: str, change: dict[str, Any], said: str
) -> None:
    content = notebook(TITLE, "print(1)")
    content["cells"][1] |= change
    path = save(root / folder / "dirty.ipynb", content)
    done = run("check")
    assert done.exit_code == 1
    assert f"{folder}/dirty.ipynb: is not clean: {said}" in done.output
    assert f"cleaned    {folder}/dirty.ipynb" in run("clean").output
    assert path.read_text("utf-8") == authoring.notebook_text(notebook(TITLE, "print(1)"))
    assert "every notebook was clean" in run("clean").output


def test_cleaning_keeps_parameters_and_the_kernel_s_language(root: Path) -> None:
    content = notebook(TITLE, "rows = 3")
    content["cells"][1]["metadata"] = {"tags": ["parameters"], "papermill": {"status": "done"}}
    content["metadata"] = {"kernelspec": {"name": "python3"}, "papermill": {"duration": 1}}
    path = save(root / "notebooks/report.ipynb", content)
    run("clean", "notebooks/report.ipynb")
    cleaned = json.loads(path.read_text("utf-8"))
    assert cleaned["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert cleaned["metadata"]["kernelspec"] == authoring.KERNEL
    assert set(cleaned["metadata"]) == {"kernelspec", "language_info"}


def test_checkpoints_and_hidden_folders_are_left_alone(root: Path) -> None:
    path = root / "notebooks/.ipynb_checkpoints/x.ipynb"
    path.parent.mkdir()
    path.write_text("not json", "utf-8")
    assert run("check").exit_code == 0


@pytest.mark.parametrize("arguments", [("export", "none.ipynb"), ("clean", "pyproject.toml")])
def test_a_wrong_path_is_refused(root: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert "is not a notebook file" in done.output


def test_outside_a_project_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("check")
    assert done.exit_code == 1
    assert "No pyproject.toml with a [tool.nbdev] table" in done.output
