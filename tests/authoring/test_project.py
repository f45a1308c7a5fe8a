"""Which notebooks a command is about: those of the project, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_project import run


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
