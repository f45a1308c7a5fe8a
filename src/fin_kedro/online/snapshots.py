"""A store's contents in one file: written whole or not at all, and read back only whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fin_kedro.features.event_plan import Plan
from fin_kedro.online.frames import (
    Batch,
    Offsets,
    StoreError,
    check_header,
    pack_batch,
    pack_header,
    read_frames,
    unpack_batch,
)


def write_snapshot(
    plan: Plan,
    path: str | os.PathLike[str],
    contents: Iterable[tuple[list[bytes], list[list[Any]]]],
    moved: Offsets,
) -> None:
    """Write chunks of packed records and labels, and the offsets of the stream, to one file.

    The file appears whole or not at all; StoreError when it could not be written.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(pack_header(plan))
            for records, labels in contents:
                file.write(pack_batch(records, labels, {}))
            file.write(pack_batch([], [], moved))
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"snapshot {target} could not be written: {error}.") from error


def read_snapshot(plan: Plan, path: str | os.PathLike[str]) -> Iterator[Batch]:
    """Return the batches of a snapshot.

    StoreError when it cannot be read, is damaged, or was made for another specification.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StoreError(f"snapshot {path} cannot be read: {error}.") from error
    bodies, end = [], 0
    for end, body in read_frames(data):  # noqa: B007 (the last end is looked at)
        bodies.append(body)
    if not bodies or end != len(data):
        raise StoreError(f"snapshot {path} is damaged at byte {end}; take another one.")
    check_header(plan, bodies[0], f"snapshot {path}")
    return map(unpack_batch, bodies[1:])


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
