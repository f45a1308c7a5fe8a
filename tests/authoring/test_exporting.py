"""Export writes what changed, says so, and touches nothing beside."""

from __future__ import annotations

from pathlib import Path

from .tiny_project import TITLE, edit, module, notebook, run, save


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


def test_a_module_imported_from_its_package_is_imported_so_by_the_export(root: Path) -> None:
    cells = "#| export\nfrom tiny.sums import ratio", "#| export\nX = 1"
    save(root / "notebooks/other.ipynb", notebook(TITLE, "#| default_exp sums.other", *cells))
    assert run("export").exit_code == 0
    made = module(root).with_name("other.py").read_text("utf-8")
    assert "\nfrom tiny.sums import ratio\n" in made
