"""Where DuckDB puts what does not fit into memory: a folder of this process, under the data root.

DuckDB's own choice is ``.tmp`` beside wherever a command is typed, shared by all processes there.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fin_kedro.storage.whole_versions import locked_folder, sweep

SPILLED = ".spilled-"


@dataclass
class _Place:
    """The folder under which to spill; this process's own folder, and whose it is (forks)."""

    parent: Path | None = None
    folder: Path | None = None
    owner: int = 0


_place = _Place()


def spill_into(parent: Path) -> None:
    """From now on spill under this folder; connections made before keep their place."""
    if _place.parent != parent:
        _place.parent, _place.folder, _place.owner = parent, None, 0


def spill_folder() -> Path | None:
    """Return this process's own folder; None where no place was named, or none can be written.

    It goes when the process ends; what a killed process leaves goes when the next one starts.
    """
    if _place.parent and _place.owner != os.getpid():
        _place.folder, _place.owner = None, os.getpid()
        with contextlib.suppress(OSError):
            sweep(_place.parent, SPILLED)
            _place.folder, _ = locked_folder(_place.parent, SPILLED)  # the lock lives as we do
            atexit.register(_remove, _place.folder, _place.owner)
    return _place.folder


def _remove(folder: Path, owner: int) -> None:
    """Not a forked child's business."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
