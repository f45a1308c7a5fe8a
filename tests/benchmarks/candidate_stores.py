"""Feature stores that were measured and not chosen: see docs/decisions/state-store.md.

Both keep entities as bytes under keys, as Redis does, and survive a killed process: what was
committed is with the operating system. ``sync`` asks for the disk as well.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fin_kedro.features.windows import EventFeatures
from fin_kedro.online.frames import Offsets
from fin_kedro.online.key_value import Change, KeyValueStore


class LmdbStore(KeyValueStore):
    """Keys in LMDB, one write transaction for each `apply`."""

    def __init__(
        self, features: EventFeatures, path: Path, *, sync: bool = False, **options: Any
    ) -> None:
        import lmdb

        super().__init__(features, **options)
        self._env = lmdb.open(str(path), map_size=8 << 30, sync=sync, subdir=False)
        self._held: Any = None

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        with self._env.begin(write=True) as self._held:
            yield

    def _fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._held.get(key.encode()) for key in keys]

    def _exchange(self, changes: Sequence[Change], offsets: Offsets) -> bool:
        self.fill((change.key, change.value) for change in changes)
        for (topic, partition), at in offsets.items():
            self._held.put(f"o:{partition} {topic}".encode(), str(at).encode())
        return True

    def fill(self, pairs: Iterator[tuple[str, bytes]]) -> None:
        """Write keys within an attempt."""
        for key, value in pairs:
            self._held.put(key.encode(), value)

    def _slots(self) -> Iterator[tuple[str, bytes]]:
        with self._env.begin() as reading:
            for key, value in reading.cursor():
                if key.startswith(b"x:"):
                    yield key.decode(), value

    def offsets(self) -> dict[tuple[str, int], int]:
        """See `FeatureStore.offsets`."""
        found = {}
        with self._env.begin() as reading:
            for key, value in reading.cursor():
                if key.startswith(b"o:"):
                    partition, _, topic = key[2:].decode().partition(" ")
                    found[topic, int(partition)] = int(value)
        return found

    def close(self) -> None:
        """See `FeatureStore.close`."""
        self._env.close()


class SqliteStore(KeyValueStore):
    """Keys in an SQLite table with a write-ahead log, one transaction for each `apply`."""

    def __init__(
        self, features: EventFeatures, path: Path, *, sync: bool = False, **options: Any
    ) -> None:
        super().__init__(features, **options)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value) WITHOUT ROWID"
        )

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        marks = ",".join("?" * len(keys))
        asked = f"SELECT key, value FROM kept WHERE key IN ({marks})"
        found = dict(self._db.execute(asked, list(keys)))
        return [found.get(key) for key in keys]

    def _exchange(self, changes: Sequence[Change], offsets: Offsets) -> bool:
        self.fill((change.key, change.value) for change in changes)
        moved = [(f"o:{partition} {topic}", at) for (topic, partition), at in offsets.items()]
        self._db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", moved)
        return True

    def fill(self, pairs: Iterator[tuple[str, bytes]]) -> None:
        """Write keys within an attempt."""
        self._db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", pairs)

    def _slots(self) -> Iterator[tuple[str, bytes]]:
        yield from self._db.execute("SELECT key, value FROM kept WHERE key GLOB 'x:*'")

    def offsets(self) -> dict[tuple[str, int], int]:
        """See `FeatureStore.offsets`."""
        found = {}
        for key, at in self._db.execute("SELECT key, value FROM kept WHERE key GLOB 'o:*'"):
            partition, _, topic = key[2:].partition(" ")
            found[topic, int(partition)] = at
        return found

    def close(self) -> None:
        """See `FeatureStore.close`."""
        self._db.close()
