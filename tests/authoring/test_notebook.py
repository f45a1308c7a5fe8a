"""What cannot be read as a notebook is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tiny_project import run


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3, "nbformat": 4}', '{"cells": []}'])
def test_a_broken_file_is_named(root: Path, text: str) -> None:
    (root / "notebooks/broken.ipynb").write_text(text, "utf-8")
    for command in ("check", "export"):
        done = run(command)
        assert done.exit_code == 1
        assert "notebooks/broken.ipynb" in done.output
        assert "not a notebook of format 4" in done.output
