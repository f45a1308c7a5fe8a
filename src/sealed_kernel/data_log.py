"""Which versions of which datasets this process loaded and saved; whoever does so notes it here.

The record lives in this package, so that `%reload_kedro` does not lose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Noted:
    """One version of a dataset: `version` is None for one without versions.

    `sha256` is of its content, `file_sha256` of its bytes; None where there is no file.
    """

    version: str | None
    sha256: str | None
    path: str | None
    file_sha256: str | None = None


Entry = dict[str, str | None]
_loaded: dict[str, dict[Noted, None]] = {}
_saved: dict[str, dict[Noted, None]] = {}


def note(
    name: str,
    version: str | None = None,
    sha256: str | None = None,
    path: str | Path | None = None,
    file_sha256: str | None = None,
    *,
    saved: bool = False,
) -> None:
    """Note that dataset `name` was loaded, or `saved`; what was noted before changes nothing."""
    entry = Noted(version, sha256, None if path is None else str(path), file_sha256)
    known = _saved if saved else _loaded
    if not saved and entry in _saved.get(name, {}):
        return  # what this process made itself is nothing that it was given
    versions = known.setdefault(name, {})
    versions.pop(entry, None)
    versions[entry] = None  # the newest stands last


def loaded() -> dict[str, Entry]:
    """The last version loaded of each dataset, by name."""
    return {name: asdict(next(reversed(versions))) for name, versions in sorted(_loaded.items())}


def every() -> dict[str, Entry]:
    """Every version loaded: the last of a dataset by its name, earlier ones by name@version."""
    return _labelled(_loaded)


def saved() -> dict[str, Entry]:
    """Every version saved, in the same way."""
    return _labelled(_saved)


def _labelled(known: Mapping[str, Mapping[Noted, None]]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for name, versions in sorted(known.items()):
        *earlier, last = versions
        found[name] = asdict(last)
        for entry in earlier:
            label = f"{name}@{entry.version or (entry.sha256 or '')[:12]}"
            if label in found:  # one version, changed in between
                label += f":{(entry.sha256 or '')[:12]}"
            found[label] = asdict(entry)
    return found


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
    _saved.clear()
