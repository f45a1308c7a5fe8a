"""What is wrong among notebooks: two for one module, none for one."""

from __future__ import annotations

from pathlib import Path

from .tiny_project import TITLE, module, notebook, run, save


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


def test_an_orphan_is_found_by_check_and_named_by_export(root: Path) -> None:
    (root / "notebooks/ratio.ipynb").unlink()
    done = run("check")
    assert done.exit_code == 1
    assert "src/tiny/sums/ratio.py: no notebook makes it any more (ratio.ipynb)" in done.output
    assert "git rm src/tiny/sums/ratio.py" in run("export").output
