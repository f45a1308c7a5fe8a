"""Where a path that a seal names may lead."""

from __future__ import annotations

from pathlib import Path, PurePath


def inside(root: Path, path: str, *, links: bool = False) -> Path | None:
    """``root / path``; None where that leaves ``root``: absolute, with ``..``, or by a link.

    A seal's paths are covered by no digest, so whoever sends one can write anything there.
    ``links``: symbolic links may lead elsewhere, as one's own data folder on another disk does.
    """
    if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        return None
    place = root / path
    return place if links or place.resolve().is_relative_to(root.resolve()) else None
