"""The ledger: what was registered, validated, approved and released; appended, never changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    event TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE
);
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append only'); END;
"""
_GENESIS = "0" * 64


class LedgerError(RuntimeError):
    """The ledger was changed, or an event cannot be recorded."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One event. ``at`` is UTC, ISO 8601; ``hash`` covers number, time, event and ``previous``."""

    number: int
    at: str
    event: Mapping[str, Any]
    previous: str
    hash: str


class Ledger:
    """A chain of events in SQLite: each entry carries the hash of the one before.

    An edited, removed or inserted entry breaks the chain, which `verify` finds. A tail cut off
    whole is only found by comparing `head` with a copy kept elsewhere.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def relative(self, path: Path | str) -> str:
        """Return a path as the ledger keeps it: seen from its folder, so a project can move."""
        return Path(os.path.relpath(path, self._path.parent)).as_posix()

    def resolve(self, path: str) -> Path:
        """Return a path that `relative` made, for use."""
        return (self._path.parent / path).resolve()

    def append(self, **event: Any) -> Entry:
        """Record an event; returns once it is on disk. Writers wait for each other."""
        text = json.dumps(event, sort_keys=True, ensure_ascii=False)
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT number, hash FROM ledger ORDER BY number DESC LIMIT 1"
            ).fetchone()
            number, previous = (row[0] + 1, row[1]) if row else (1, _GENESIS)
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            digest = _hash(number, at, text, previous)
            connection.execute(
                "INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", (number, at, text, previous, digest)
            )
        return Entry(number=number, at=at, event=event, previous=previous, hash=digest)

    def entries(self, **wanted: Any) -> list[Entry]:
        """Events whose fields have the wanted values, oldest first."""
        found = [
            Entry(number=n, at=at, event=self._event(n, text), previous=previous, hash=digest)
            for n, at, text, previous, digest in self._rows()
        ]
        return [e for e in found if all(e.event.get(k) == v for k, v in wanted.items())]

    def verify(self) -> str:
        """Recompute the chain and return its head; raise `LedgerError` at the first break."""
        previous = _GENESIS
        for place, (number, at, text, before, digest) in enumerate(self._rows(), start=1):
            expected = _hash(number, at, text, previous)
            if (number, before, digest) != (place, previous, expected):
                raise self._broken(place)
            previous = digest
        return previous

    def _broken(self, place: int) -> LedgerError:
        return LedgerError(
            f"the ledger {self._path} is broken at entry {place}: it was changed, removed or "
            "inserted after it was written. Restore the file from a backup and compare."
        )

    def _event(self, number: int, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._broken(number) from error

    def _rows(self) -> list[tuple[int, str, str, str, str]]:
        """Every entry as it stands in the file; none before the first was written."""
        if not self._path.exists():
            return []
        with self._readable(), contextlib.closing(self._connect()) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'ledger'")
            if tables.fetchone() is None:
                return []
            columns = "number, at, event, previous, hash"
            return connection.execute(f"SELECT {columns} FROM ledger ORDER BY number").fetchall()  # noqa: S608

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Say in the ledger's own words what SQLite found wrong with the file or the disk."""
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(
                f"the ledger {self._path} cannot be read or written: {error}. Nothing was "
                "recorded; free the disk, or restore the file from a backup, then try again."
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._readable(), contextlib.closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _hash(number: int, at: str, text: str, previous: str) -> str:
    return hashlib.sha256(f"{number}\n{at}\n{text}\n{previous}".encode()).hexdigest()
