"""In a kernel, each dataset that a notebook loads or saves is noted: its sign and seal name it."""

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


def note_data(catalog: Any, *, root: Path | None = None) -> None:
    """Let ``catalog`` note what it loads and saves, if this process is a kernel; else do nothing.

    Args:
        root: project folder, from which paths are seen; the working folder by default.
    """
    if in_kernel() and "load" not in vars(catalog):
        seen_from = (root or Path.cwd()).resolve()
        catalog.load = partial(_load, catalog, seen_from)
        catalog.save = partial(_save, catalog, seen_from)


def _load(catalog: Any, root: Path, name: str, version: str | None = None) -> Any:
    data = type(catalog).load(catalog, name, version)
    dataset = catalog.get(name, version=Version(version, None) if version else None)
    _note(name, dataset, root, saved=False)
    return data


def _save(catalog: Any, root: Path, name: str, data: Any) -> None:
    type(catalog).save(catalog, name, data)
    _note(name, catalog.get(name), root, saved=True)


def _note(name: str, dataset: Any, root: Path, *, saved: bool) -> None:
    from fin_kedro.storage.dataset_state import DatasetStates

    state = DatasetStates(root).of(dataset)
    if state is not None:
        where = state.occasion
        place = where["version"], state.content, where["path"], where["file_sha256"]
        data_log.note(name, *place, saved=saved)
