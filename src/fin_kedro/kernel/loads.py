"""In a kernel, each dataset that a notebook loads is noted, so that its sign can name the data."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from kedro.io import Version

from sealed_kernel import data_log


def in_kernel() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def note_loads(catalog: Any, *, root: Path | None = None) -> None:
    """Let ``catalog`` note what it loads, if this process is a kernel; elsewhere nothing changes.

    Args:
        root: project folder, from which paths are seen; the working folder by default.
    """
    if in_kernel() and "load" not in vars(catalog):
        catalog.load = partial(_load, catalog, (root or Path.cwd()).resolve())


def _load(catalog: Any, root: Path, name: str, version: str | None = None) -> Any:
    from fin_kedro.kernel.dataset_state import DatasetStates

    data = type(catalog).load(catalog, name, version)
    dataset = catalog.get(name, version=Version(version, None) if version else None)
    state = DatasetStates(root).of(dataset)
    if state is not None:
        where = state.occasion
        data_log.note(name, where["version"], state.content, where["path"])
    return data
