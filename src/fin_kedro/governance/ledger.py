"""The ledger: what was registered, validated, approved, sealed; appended and signed, never changed.

Each entry carries the hash of the one before, and a signature (`fin_kedro.governance.signing`).
"""

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
from typing import Any, NamedTuple

from fin_kedro.governance.anchors import Anchor, visible_anchors
from fin_kedro.governance.signing import (
    SIGNERS_FILE,
    Signer,
    SigningKey,
    Trusted,
    key_path,
    payload,
    signing_key,
    trusted_signers,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    event TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS signers (
    key TEXT PRIMARY KEY,
    public TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS signatures (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    signature TEXT NOT NULL
);
"""
_TABLES = {"ledger": "no", "signers": "signers_no", "signatures": "signatures_no"}
_SCHEMA += "".join(
    f"CREATE TRIGGER IF NOT EXISTS {prefix}_{change} BEFORE {change.upper()} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append only'); END;\n"
    for table, prefix in _TABLES.items()
    for change in ("update", "delete")
)
_SIGNED = """
SELECT number, at, event, previous, hash, signatures.key, public, signature FROM ledger
LEFT JOIN signatures USING (number) LEFT JOIN signers ON signers.key = signatures.key
ORDER BY number
"""
# of a ledger that was last written before entries were signed
_UNSIGNED = "SELECT number, at, event, previous, hash, NULL, NULL, NULL FROM ledger ORDER BY number"
_GENESIS = "0" * 64
_SHORTEST_HEAD = 16  # hexadecimal digits: fewer could be met by trying


class LedgerError(RuntimeError):
    """The ledger was changed, or an event cannot be recorded."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One event. ``at`` is UTC, ISO 8601; ``hash`` covers number, time, event and ``previous``.

    ``signer``: the id of the key that signed it; None for an entry older than signing.
    """

    number: int
    at: str
    event: Mapping[str, Any]
    previous: str
    hash: str
    signer: str | None = None
    signature: str | None = None

    @property
    def head(self) -> str:
        """What to keep elsewhere, so that a tail cut off after this entry is found."""
        return f"{self.number}:{self.hash}"


class _Row(NamedTuple):
    """An entry as it stands in the file, with its signature and the public key that this names."""

    number: int
    at: str
    text: str
    previous: str
    hash: str
    key: str | None
    public: str | None
    signature: str | None

    @property
    def signed(self) -> bytes:
        """The bytes that a signature of it covers."""
        known = {"number": self.number, "at": self.at, "event": self.text}
        return payload(**known, previous=self.previous, digest=self.hash)  # type: ignore[arg-type]


class Ledger:
    """A chain of signed events in SQLite: each entry carries the hash of the one before.

    An edited, removed or inserted entry breaks the chain; one that was chained anew, with all
    hashes after it, breaks the signatures. `verify` finds both. Two things it cannot find by
    itself: a tail cut off whole, which takes a `head` kept elsewhere, and a ledger written anew
    by somebody with a key of his own, which takes a list of trusted keys (conf/base/signers.yml).
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path

    def relative(self, path: Path | str) -> str:
        """Return a path as the ledger keeps it: seen from its folder, so a project can move."""
        return Path(os.path.relpath(path, self._path.parent)).as_posix()

    def resolve(self, path: str) -> Path:
        """Return a path that `relative` made, for use."""
        return (self._path.parent / path).resolve()

    def append(self, **event: Any) -> Entry:
        """Record and sign an event; returns once it is on disk. Writers wait for each other.

        Raises LedgerError, or SigningError without a key to sign with; then nothing is recorded.
        """
        text = json.dumps(event, sort_keys=True, ensure_ascii=False)
        key = self.prepare()
        with self._transaction() as connection:
            last = connection.execute(
                "SELECT number, hash FROM ledger ORDER BY number DESC LIMIT 1"
            ).fetchone()
            number, previous = (last[0] + 1, last[1]) if last else (1, _GENESIS)
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            digest = _hash(number, at, text, previous)
            row = _Row(number, at, text, previous, digest, key.signer.key, key.signer.text, None)
            row = row._replace(signature=key.sign(row.signed))
            _insert(connection, row)
        return self._entry(row)

    def head(self) -> str | None:
        """`Entry.head` of the last entry; None for a ledger without entries. Verifies nothing."""
        statement = "SELECT number || ':' || hash FROM ledger ORDER BY number DESC LIMIT 1"
        found = self._selected({True: statement, False: statement})
        return str(found[0][0]) if found else None

    def prepare(self) -> SigningKey:
        """The key that signs entries here; it is made when there is none. SigningError if not."""
        return signing_key(key_path(self._path))

    def entries(self, **wanted: Any) -> list[Entry]:
        """Events whose fields have the wanted values, oldest first."""
        found = [self._entry(row) for row in self._rows()]
        return [e for e in found if all(e.event.get(k) == v for k, v in wanted.items())]

    def _entry(self, row: _Row) -> Entry:
        return Entry(
            number=row.number, at=row.at, event=self._event(row.number, row.text),
            previous=row.previous, hash=row.hash, signer=row.key, signature=row.signature,
        )  # fmt: skip

    # Who signed

    def signed_by(self, entry: Entry) -> str:
        """Who signed an entry: the listed name and the key's id, or that nobody did."""
        if entry.signer is None:
            return "nobody (older than signing)"
        name = trusted_signers(self._path).name_of(entry.signer)
        return f"{name} ({entry.signer})" if name else entry.signer

    def signers(self) -> list[Signer]:
        """Every key that has signed here, in the order of its first entry."""
        texts = dict.fromkeys(row.public for row in self._rows() if row.public)
        return [Signer.read(text) for text in texts]

    # Verification

    def verify(self, *, head: str | None = None) -> str:
        """Recompute chain and signatures, return the last hash; `LedgerError` at the first fault.

        ``head``: `Entry.head` of an entry, kept elsewhere; that entry must still be there.
        The newest heads that seals and MLflow keep (`fin_kedro.governance.anchors`) must be there
        too. Raises SigningError when the list of trusted keys cannot be read.
        """
        previous, rows = _GENESIS, self._rows()
        trusted, signed = trusted_signers(self._path), 0
        self._check_anchors(len(rows), {row.number: row.hash for row in rows})
        for place, row in enumerate(rows, start=1):
            expected = _hash(row.number, row.at, row.text, previous)
            if (row.number, row.previous, row.hash) != (place, previous, expected):
                why = "it was changed, removed or inserted after it was written"
                raise self._broken(place, why)
            if fault := _fault(row, trusted, signed):
                raise self._broken(place, fault)
            previous, signed = row.hash, signed or place * (row.key is not None)
        self._check_tail(rows)
        if head is not None:
            self._check_head(head, rows)
        return previous

    def check_anchors(self) -> None:
        """Raise `LedgerError` when an entry is gone that seals or MLflow know; hashes nothing."""
        statement = "SELECT number, hash FROM ledger"
        found = dict(self._selected({True: statement, False: statement}))
        self._check_anchors(len(found), found)

    def _check_anchors(self, last: int, hashes: Mapping[int, str]) -> None:
        gone = (a for a in visible_anchors(self._path) if hashes.get(a.number) != a.hash)
        if anchor := next(gone, None):
            raise self._replaced(last, anchor)

    def _replaced(self, last: int, anchor: Anchor) -> LedgerError:
        what = (
            f"it ends at entry {last}"
            if anchor.number > last
            else f"its entry {anchor.number} is another one"
        )
        return LedgerError(
            f"the ledger {self._path} was rolled back, replaced or deleted: {anchor.where} knows "
            f"entry {anchor.number} ({anchor.hash[:12]}), and {what}. Restore the file from a "
            "backup that holds this entry. Who gave up the ledger on purpose moves the whole data "
            "folder away, with its seals and MLflow's database, and begins anew."
        )

    def _check_tail(self, rows: list[_Row]) -> None:
        """Signatures of entries that are no longer there tell that the tail was cut off."""
        newest = self._newest_signature()
        if newest > len(rows):
            why = f"entries up to {newest} were signed, and the last is {len(rows)}"
            raise self._broken(len(rows) + 1, why)

    def _check_head(self, head: str, rows: list[_Row]) -> None:
        number, _, digest = head.partition(":")
        if not number.isdecimal() or len(digest) < _SHORTEST_HEAD:
            raise LedgerError(
                f"the head {head!r} is none: write NUMBER:HASH as `kedro run` prints it and MLflow "
                f"keeps it (tag ledger_head), with {_SHORTEST_HEAD} digits of the hash or more."
            )
        place = int(number)
        if place > len(rows):
            raise self._broken(
                len(rows) + 1,
                f"the head kept elsewhere is entry {place}: the tail of the ledger was cut off",
            )
        if place < 1 or not rows[place - 1].hash.startswith(digest):
            raise self._broken(
                place,
                f"it is not the one whose head was kept elsewhere ({digest[:12]}): the ledger was "
                "written anew",
            )

    def _broken(self, place: int, why: str) -> LedgerError:
        return LedgerError(
            f"the ledger {self._path} is broken at entry {place}: {why}. Restore the file from a "
            "backup and compare."
        )

    def _event(self, number: int, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._broken(number, "its event is no JSON") from error

    def _rows(self) -> list[_Row]:
        """Every entry as it stands in the file; none before the first was written."""
        found = {True: _SIGNED, False: _UNSIGNED}
        return [_Row(*row) for row in self._selected(found)]

    def _newest_signature(self) -> int:
        """The number of the last entry that was signed; 0 for none."""
        found = {True: "SELECT max(number) FROM signatures", False: "SELECT 0"}
        return max((number or 0 for (number,) in self._selected(found)), default=0)

    def _selected(self, statements: Mapping[bool, str]) -> list[tuple[Any, ...]]:
        """Rows of the statement for a ledger with signatures (True) or without; none for none."""
        if not self._path.exists():
            return []
        with self._readable(), contextlib.closing(self._connect()) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in names}
            if "ledger" not in tables:
                return []
            return connection.execute(statements["signatures" in tables]).fetchall()

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
            # tables and first entry in one step: a kill leaves both, or an empty file
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
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


def _insert(connection: sqlite3.Connection, row: _Row) -> None:
    """Write an entry, its signature, and its key when this is the first that it signs."""
    connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", row[:5])
    connection.execute("INSERT OR IGNORE INTO signers VALUES (?, ?)", (row.key, row.public))
    connection.execute(
        "INSERT INTO signatures VALUES (?, ?, ?)", (row.number, row.key, row.signature)
    )


def _fault(row: _Row, trusted: Trusted, first: int) -> str | None:
    """What is wrong with an entry's signature; ``first``: number of the first signed one, 0: none.

    Entries older than signing have none. After the first that is signed every one must be.
    """
    if row.key is None:
        return _unsigned(row, trusted, first)
    try:
        signer = Signer.read(str(row.public))
    except ValueError:
        return f"it is signed by the key {row.key}, which the ledger does not hold"
    if signer.key != row.key:
        return f"the key that the ledger holds as {row.key} is {signer.key}"
    if not signer.has_signed(row.signed, str(row.signature)):
        return f"the signature by {row.key} is not of it: it was changed, or chained anew"
    if not trusted.accepts(signer):
        return (
            f"it is signed by the key {row.key} (fingerprint {signer.fingerprint}), which "
            f"{SIGNERS_FILE} does not list; list it there if its holder may sign"
        )
    return None


def _unsigned(row: _Row, trusted: Trusted, first: int) -> str | None:
    """What is wrong with an entry that nobody signed, unless signers.yml counts and knows it."""
    if first:
        return f"it is not signed, though entry {first} before it is"
    if row.number > trusted.unsigned:
        return (
            f"it is not signed, and {SIGNERS_FILE} lets {trusted.unsigned} of the first entries be "
            "older than signing. If the ledger is that old, compare it with a backup, and commit "
            "there `unsigned`, how many these are, and `unsigned_head`, the hash of the last of "
            "them; else somebody took the signatures off"
        )
    if row.number == trusted.unsigned and row.hash != trusted.unsigned_head:
        return (
            f"it is the last that may be unsigned, and {SIGNERS_FILE} knows it by another hash "
            f"(`unsigned_head` {(trusted.unsigned_head or 'is missing')[:12]}): compare the ledger "
            f"with a backup; the hash found is {row.hash}"
        )
    return None


def _hash(number: int, at: str, text: str, previous: str) -> str:
    return hashlib.sha256(f"{number}\n{at}\n{text}\n{previous}".encode()).hexdigest()
