"""A run reads the versions that were there at its start, or that it has written itself.

Kedro takes the newest version at the moment of each first load. Of two runs at a time each would
then read what the other has just written.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from kedro.io import AbstractVersionedDataset, CachedDataset
from kedro.io.core import VersionNotFoundError


def pin_versions(catalog: Any, names: Iterable[str]) -> dict[str, str]:
    """Fix now which version of each dataset a run loads; return the versions by name.

    What the run saves meanwhile is loaded in its own version. A version that was asked for
    (``--load-versions``) stays; a dataset that has no version yet can be loaded once the run has
    written one.

    Args:
        catalog: the run's, whose datasets have the run's version to save.
        names: of datasets that the run may load.
    """
    found = {}
    for name in names:
        if name.startswith("params:") or name == "parameters" or name not in catalog:
            continue
        dataset: Any = catalog.get(name)
        inner = dataset._dataset if isinstance(dataset, CachedDataset) else dataset
        versioned = isinstance(inner, AbstractVersionedDataset) and inner._version
        if versioned and (version := _pin(inner)) is not None:
            found[name] = version
    return found


def _pin(dataset: Any) -> str | None:
    vars(dataset).pop("_fetch_latest_load_version", None)  # of an earlier run of this catalog
    dataset._clear_version_cache()
    try:
        newest = str(dataset.resolve_load_version())
    except VersionNotFoundError:
        newest = None
    if dataset._version.load is None:
        # on the instance, as a partial: a ParallelRunner's processes get it with the dataset
        dataset._fetch_latest_load_version = partial(_pinned, dataset, newest)
    return newest


def _pinned(dataset: Any, newest: str | None) -> str:
    own = dataset._version.save
    if own is not None and dataset._exists_function(str(dataset._get_versioned_path(own))):
        return str(own)
    if newest is None:
        raise VersionNotFoundError(
            f"Did not find any versions for {dataset}: there was none when this run began, and it "
            "has written none. What another run writes meanwhile is not read; run again."
        )
    return newest
