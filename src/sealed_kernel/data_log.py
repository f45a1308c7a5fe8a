"""Which versions of which datasets this process has loaded; whoever loads one notes it here.

The record lives in this package, so that `%reload_kedro` does not lose it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Loaded:
    """One version of a dataset: `version` is None for one without versions."""

    version: str | None
    sha256: str | None
    path: str | None


_loaded: dict[str, dict[Loaded, None]] = {}


def note(
    name: str,
    version: str | None = None,
    sha256: str | None = None,
    path: str | Path | None = None,
) -> None:
    """Note that dataset `name` was loaded; a version that was noted before changes nothing.

    `sha256` is the content hash, `path` the file, or None where there is none.
    """
    entry = Loaded(version, sha256, None if path is None else str(path))
    versions = _loaded.setdefault(name, {})
    versions.pop(entry, None)
    versions[entry] = None  # the newest stands last


def loaded() -> dict[str, dict[str, str | None]]:
    """The last version loaded of each dataset, by name: {name: {version, sha256, path}}."""
    return {name: asdict(next(reversed(versions))) for name, versions in sorted(_loaded.items())}


def mixed() -> dict[str, list[str | None]]:
    """Datasets of which more than one version was loaded: name to versions, oldest load first."""
    return {
        name: [entry.version for entry in versions]
        for name, versions in sorted(_loaded.items())
        if len(versions) > 1
    }


def clear() -> None:
    """Forget everything; a kernel that was forked from a warm process begins with this."""
    _loaded.clear()
