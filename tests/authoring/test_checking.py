"""A module that is not what its notebook makes is found, with the place and a mend."""

from __future__ import annotations

from pathlib import Path

from .tiny_project import edit, module, run


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


def test_a_missing_module_and_a_removed_block_are_found(root: Path) -> None:
    text = module(root).read_text("utf-8")
    module(root).write_text(
        text.partition("\n\n# %% ../../../notebooks/ratio.ipynb #cell3")[0] + "\n"
    )
    assert "cell 3 (#cell3): is exported but missing" in run("check").output
    module(root).unlink()
    assert "its module src/tiny/sums/ratio.py is not there" in run("check").output
