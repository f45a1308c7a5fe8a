"""Where runs are sealed and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.changes.sealed_lab import SealedLab


@pytest.fixture
def lab(tmp_path: Path) -> SealedLab:
    return SealedLab(tmp_path / "lab")
