"""The interface of a feature store for the live transaction, and the one that lives in memory.

What a statistic means is said in `fin_kedro.features.windows`; how one entity keeps it, in
`fin_kedro.features.entity_state`. A store keeps all entities, knows which transactions and labels
it has seen, and where in the stream it stands.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

from fin_kedro.features.entity_state import Entity, Record
from fin_kedro.features.event_plan import EventError, Plan
from fin_kedro.features.windows import DAY, EventFeatures
from fin_kedro.online.frames import (
    Batch,
    Offsets,
    StoreError,
    check_header,
    decode,
    encode,
    pack_batch,
    pack_header,
    read_frames,
    unpack_batch,
)

Event: TypeAlias = tuple[str, Mapping[str, Any]]  # ("transaction" or "label", its columns)
Answer: TypeAlias = dict[str, int | None]
MANY = 50_000  # objects for which the garbage collector is told that they stay
CHUNK = 2_000  # events in one frame where many are written at once


class FeatureStore(ABC):
    """Statistics for the live transaction, exact in any order of delivery; a context manager.

    A transaction counts once, however often it is sent: its id decides. A label counts once by its
    id, and waits when it comes before its transaction. What is older than the longest window and
    the allowed lateness is forgotten. All methods may be called from several threads.

    ``lateness_us``: how far behind an entity's newest transaction a row may be scored and still get
    the exact answer. ``ahead_us``: an event known further ahead of this machine's clock is
    refused, as one wrong clock would make everything else too old to keep; None: never.
    """

    def __init__(
        self,
        features: EventFeatures,
        *,
        lateness_us: int = DAY,
        ahead_us: int | None = DAY,
    ) -> None:
        self.features = features
        self.plan = Plan(features, lateness_us=lateness_us)
        self.ahead_us = ahead_us

    def score(self, transaction: Mapping[str, Any]) -> Answer:
        """Return a transaction's features at the moment it became known, and count it from then on.

        A repeated id changes nothing and gets the same numbers. Raises EventError when the
        transaction cannot be counted, StoreError when it could not be kept; nothing changed then.
        """
        return self.apply([("transaction", transaction)], {})[0]  # type: ignore[no-any-return]

    def learn(self, label: Mapping[str, Any]) -> bool:
        """Take a label; False when it is known already or too old to matter."""
        return self.apply([("label", label)], {})[0]  # type: ignore[no-any-return]

    @abstractmethod
    def lookup(self, transaction: Mapping[str, Any]) -> Answer:
        """Return what `score` would, and change nothing."""

    @abstractmethod
    def apply(self, events: Sequence[Event], offsets: Offsets) -> list[Any]:
        """Take events and the offsets of the stream after them: all of it is kept, or nothing.

        Returns for each event what `score` or `learn` would. EventError names the first event that
        cannot be counted (`position` is its place); none of them has changed anything then.
        """

    @abstractmethod
    def offsets(self) -> dict[tuple[str, int], int]:
        """Return the next offset to read, by topic and partition, as `apply` was given them."""

    @abstractmethod
    def statistics(self) -> dict[str, int]:
        """Return counts of what is kept, by name, and the latest moment known."""

    @abstractmethod
    def _contents(self) -> Iterator[tuple[list[bytes], list[list[Any]]]]:
        """Return everything that is kept: chunks of packed records, and labels."""

    @abstractmethod
    def _load(self, records: Sequence[Record], labels: Sequence[list[Any]]) -> None:
        """Take records and labels without answering."""

    def erase(self) -> None:
        """Delete everything that is kept, for stores that were filled for a comparison only."""
        raise StoreError(f"a {type(self).__name__} cannot be erased; delete its folder.")

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Nothing is lost by not calling it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def warm_start(self, transactions: Any, labels: Any) -> int:
        """Take history, as if it had come through the stream; return how many rows it took.

        Tables are pandas or Arrow, or iterables of these in the order of the moments known. Rows
        that no window reaches any more are left out. Safe to repeat after it was broken off.
        """
        count, known = 0, self.features.known
        reach = self.plan.horizon + self.plan.lateness
        with without_collecting():
            for rows in _chunks(_newest(transactions, known, reach), self.plan.columns):
                records = [self._record(row) for row in rows]
                self._load(records, [])
                count += len(records)
            columns = [self.features.id, known, self.features.label, self.features.label_id]
            for rows in _chunks(labels, columns):
                versions = [self._version(row) for row in rows]
                self._load([], [[identity, *version] for identity, version in versions])
        return count

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write everything that is kept to one file, which appears whole or not at all."""
        target = Path(path)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        moved = self.offsets()  # first: an event that comes meanwhile may be read again, not lost
        try:
            with part.open("wb") as file:
                file.write(pack_header(self.plan))
                for records, labels in self._contents():
                    file.write(pack_batch(records, labels, {}))
                file.write(pack_batch([], [], moved))
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StoreError(f"snapshot {target} could not be written: {error}.") from error

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Take what `snapshot` wrote into this store, which must be empty: all of it or nothing."""
        if not self._is_empty():
            raise StoreError(f"{path} can be restored into an empty store only; open a new one.")
        self._refill(_read_snapshot(self.plan, path))

    def _is_empty(self) -> bool:
        kept = self.statistics()
        return not (kept["transactions"] or kept["labels"] or self.offsets())

    def _refill(self, batches: Iterable[Batch]) -> None:
        """Take the batches of a snapshot into this empty store."""
        moved: dict[tuple[str, int], int] = {}
        with without_collecting():
            for batch in batches:
                self._load([tuple(decode(record)) for record in batch.records], batch.labels)
                moved.update({(topic, part): at for topic, part, at in batch.offsets})
        self.apply([], moved)

    def _read(self, events: Sequence[Event]) -> list[tuple[Any, Any]]:
        """Return (record, row values) of each transaction, (id, label version) of each label."""
        read: list[tuple[Any, Any]] = []
        for position, (kind, row) in enumerate(events):
            try:
                if kind == "transaction":
                    read.append(self._read_transaction(row))
                elif kind == "label":
                    read.append(self._version(row))
                else:
                    raise EventError(f"event {kind!r}; allowed: 'transaction', 'label'.")
            except EventError as error:
                error.position = position
                raise
        return read

    def _read_transaction(self, row: Mapping[str, Any]) -> tuple[Record, list[int]]:
        return self._record(row), self.plan.row_values(row)

    def _record(self, row: Mapping[str, Any]) -> Record:
        record = self.plan.record(row)
        if self.ahead_us is not None:
            self._check_clock(record[2], "transaction", record[0])
        return record

    def _version(self, row: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        identity, version = self.plan.version(row)
        if self.ahead_us is not None:
            self._check_clock(version[0], "label", version[1])
        return identity, version

    def _check_clock(self, known: int, kind: str, name: Any) -> None:
        if known > time.time_ns() // 1000 + (self.ahead_us or 0):
            raise EventError(
                f"{kind} {name!r} is known at {known}, more than {self.ahead_us} microseconds "
                "ahead of this machine's clock; correct the clock, or set ahead_us."
            )


class MemoryStore(FeatureStore):
    """Everything in this process, gone with it: for replays, tests, and as the heart of others."""

    def __init__(self, features: EventFeatures, **options: Any) -> None:
        super().__init__(features, **options)
        self._lock = threading.RLock()
        self._entities: list[dict[Any, Entity]] = [{} for _ in self.plan.keys]
        self._records: dict[Any, bytes] = {}
        self._order: deque[tuple[int, Any]] = deque()  # (known, id) as they came, to leave in turn
        self._labels: dict[Any, list[list[Any]]] = {}  # id -> [known, label id, 0 or 1]
        self._waiting: deque[tuple[int, Any]] = deque()  # labels that came before their transaction
        self._offsets: dict[tuple[str, int], int] = {}
        self._newest = -(1 << 62)
        self._in_doubt = False  # True while states change: an interruption then leaves it so
        self._counts = {"repeated": 0, "expired": 0, "beyond_lateness": 0}

    def score(self, transaction: Mapping[str, Any]) -> Answer:
        """See `FeatureStore.score`."""
        record, rows = self._read_transaction(transaction)
        packed = self._pack(record)
        with self._lock:
            new = self._is_new(record)
            if new:
                self._commit((packed,), (), {})
            self._in_doubt = True
            answer = self._take(record, rows, packed, new)
            self._in_doubt = False
            return answer

    def lookup(self, transaction: Mapping[str, Any]) -> Answer:
        """See `FeatureStore.lookup`."""
        record, rows = self._read_transaction(transaction)
        with self._lock:
            self._check()
            return self._answer(self._as_stored(record), rows)

    def apply(self, events: Sequence[Event], offsets: Offsets) -> list[Any]:
        """See `FeatureStore.apply`."""
        read = [(*pair, self._pack(pair[0]) if kind == "transaction" else b"")
                for (kind, _), pair in zip(events, self._read(events), strict=True)]  # fmt: skip
        with self._lock:
            records, labels = self._news(read)
            if records or labels or offsets:
                self._commit(records, labels, offsets)
            self._in_doubt = True
            self._offsets.update(offsets)
            answers = [
                self._take(first, second, packed, self._is_new(first))
                if packed
                else self._take_label(first, second)
                for first, second, packed in read
            ]
            self._in_doubt = False
            return answers

    def offsets(self) -> dict[tuple[str, int], int]:
        """See `FeatureStore.offsets`."""
        with self._lock:
            return dict(self._offsets)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """See `FeatureStore.restore`."""
        with self._lock:  # nothing is acknowledged that would go if this were broken off
            super().restore(path)

    def _refill(self, batches: Iterable[Batch]) -> None:
        try:
            with self._filling():
                super()._refill(batches)
        except BaseException:
            self._in_doubt = True  # a part of it may be here
            raise

    def _filling(self) -> contextlib.AbstractContextManager[None]:
        """Surround a restore; where states outlive the process: so that half of one does not."""
        return contextlib.nullcontext()

    def statistics(self) -> dict[str, int]:
        """See `FeatureStore.statistics`."""
        with self._lock:
            sizes = {
                f"entities_{'_'.join(key)}": len(entities)
                for key, entities in zip(self.features.keys, self._entities, strict=True)
            }
            labels = sum(len(versions) for versions in self._labels.values())
            return {
                "transactions": len(self._records),
                "labels": labels,
                "waiting": sum(name not in self._records for name in self._labels),
                "newest_us": self._newest if self._records else 0,
                **sizes,
                **self._counts,
            }

    def close(self) -> None:
        """See `FeatureStore.close`."""

    def _commit(
        self,
        records: Sequence[bytes],  # noqa: ARG002 (a log writes them)
        labels: Sequence[list[Any]],  # noqa: ARG002
        offsets: Offsets,  # noqa: ARG002
    ) -> None:
        """Keep what is about to be taken where it survives this process; here: nowhere."""
        self._check()

    def _check(self) -> None:
        """Raise StoreError when an interruption left the states half changed."""
        if self._in_doubt:
            raise StoreError(
                "the store was interrupted while it counted; what it holds is in doubt. Open it "
                "again: a log or Redis has everything that was acknowledged."
            )

    def _pack(self, record: Record) -> bytes:
        try:
            return encode(record)
        except (OverflowError, TypeError) as error:
            raise EventError(f"transaction {record[0]!r} does not fit: {error}.") from None

    def _news(self, read: Sequence[tuple[Any, Any, bytes]]) -> tuple[list[bytes], list[list[Any]]]:
        """Return what of a batch must be kept: at least all that will be taken."""
        records: dict[Any, bytes] = {}
        for first, _, packed in read:
            if packed and self._is_new(first):
                records.setdefault(first[0], packed)  # of two with one id, the first counts
        labels = [
            [identity, *version]
            for identity, version, packed in read
            if not packed and (identity in records or self._is_news(identity, version))
        ]
        return list(records.values()), labels

    def _is_new(self, record: Record) -> bool:
        """Whether a transaction was not seen before and can still count for a row to come."""
        return record[0] not in self._records and record[2] >= self._limit()

    def _is_news(self, identity: Any, version: list[Any]) -> bool:
        """Whether a label was not seen before and can still matter."""
        known = self._labels.get(identity, ())
        if any(other[1] == version[1] for other in known):
            return False
        return identity in self._records or version[0] >= self._limit()

    def _limit(self) -> int:
        return self._newest - self.plan.horizon - self.plan.lateness

    def _as_stored(self, record: Record) -> Record:
        """Return the record that counts under this id: what came first."""
        packed = self._records.get(record[0])
        return record if packed is None else tuple(decode(packed))

    def _answer(self, record: Record, rows: list[int]) -> Answer:
        entities = [
            known.get(key.name(record))
            for key, known in zip(self.plan.keys, self._entities, strict=True)
        ]
        return dict(zip(self.plan.names, self.plan.answer(record, rows, entities), strict=True))

    def _take(self, record: Record, rows: list[int], packed: bytes, new: bool) -> Answer:
        """Answer a transaction, and count it if it is new."""
        if record[2] < self._newest - self.plan.lateness:
            self._counts["beyond_lateness"] += 1
        if not new:
            stored = self._as_stored(record)
            self._counts["expired" if stored is record else "repeated"] += 1
            return self._answer(stored, rows)
        answer = self._answer(record, rows)
        self._add(record, packed)
        return answer

    def _add(self, record: Record, packed: bytes) -> None:
        identity, known = record[0], record[2]
        for key, entities in zip(self.plan.keys, self._entities, strict=True):
            name = key.name(record)
            entity = entities.get(name)
            if entity is None:
                entity = entities[name] = Entity(key)
            key.add(entity, record)
        self._records[identity] = packed
        self._order.append((known, identity))
        if identity in self._labels:
            for version in self._labels[identity]:
                self._mark(record, version)
        self._newest = max(self._newest, known)
        self._expire()

    def _take_label(self, identity: Any, version: list[Any]) -> bool:
        if not self._is_news(identity, version):
            return False
        self._labels.setdefault(identity, []).append(version)
        packed = self._records.get(identity)
        if packed is None:
            self._waiting.append((version[0], identity))
            self._expire()
        else:
            self._mark(tuple(decode(packed)), version)
        return True

    def _mark(self, record: Record, version: list[Any]) -> None:
        if is_too_early(record, version):
            return
        for key, entities in zip(self.plan.keys, self._entities, strict=True):
            entity = entities.get(key.name(record)) if key.marks else None
            if entity is not None:  # else: forgotten, as nothing in it can count any more
                key.label(entity, record, version)

    def _expire(self) -> None:
        """Forget a few transactions and waiting labels that cannot count any more.

        Called for each one that comes, it lets more leave than came: what is kept stays in step
        with the horizon however many share an instant, and no call has to forget thousands.
        """
        limit = self._limit()
        for _ in range(4):
            if not self._order or self._order[0][0] >= limit:
                break
            self._forget(self._order.popleft()[1], limit)
        for _ in range(2):
            if not self._waiting or self._waiting[0][0] >= limit:
                break
            self._stop_waiting(self._waiting.popleft()[1], limit)

    def _stop_waiting(self, identity: Any, limit: int) -> None:
        """Forget the labels known before `limit` of a transaction that did not come."""
        if identity in self._records:
            return
        versions = [each for each in self._labels.pop(identity, ()) if each[0] >= limit]
        if versions:
            self._labels[identity] = versions

    def _forget(self, identity: Any, limit: int) -> None:
        record = tuple(decode(self._records.pop(identity)))
        self._labels.pop(identity, None)
        settled = limit + self.plan.horizon
        for key, entities in zip(self.plan.keys, self._entities, strict=True):
            name = key.name(record)
            entity = entities.get(name)
            if entity is not None and key.is_over(entity, settled):
                del entities[name]

    def _contents(self) -> Iterator[tuple[list[bytes], list[list[Any]]]]:
        with self._lock:
            records = list(self._records.values())
            labels = [[name, *v] for name, versions in self._labels.items() for v in versions]
        for start in range(0, len(records), CHUNK):
            yield records[start : start + CHUNK], []
        yield [], labels

    def _load(self, records: Sequence[Record], labels: Sequence[list[Any]]) -> None:
        with self._lock:
            packed = [(record, self._pack(record)) for record in records]
            packed = [(record, data) for record, data in packed if self._is_new(record)]
            if packed:
                self._commit([data for _, data in packed], [], {})
            self._in_doubt = True
            for record, data in packed:
                if self._is_new(record):
                    self._add(record, data)
            self._in_doubt = False
            news = [told for told in labels if self._is_news(told[0], told[1:])]
            if news:
                self._commit([], news, {})
            self._in_doubt = True
            for told in news:
                self._take_label(told[0], told[1:])
            self._in_doubt = False


def is_too_early(record: Record, version: Sequence[Any]) -> bool:
    """Whether a label was known before its transaction happened: history sets such ones aside."""
    return bool(version[0] < record[1])


def open_store(url: str, features: EventFeatures, **options: Any) -> FeatureStore:
    """Return the store at `url`: "memory:", "log:FOLDER" or "redis://HOST:PORT/DB".

    ``options`` are those of the store: ``lateness_us`` and ``ahead_us`` for all of them, ``sync``
    and ``segment_bytes`` for a log, ``prefix`` for Redis.
    """
    kind, _, rest = url.partition(":")
    if kind == "memory":
        return MemoryStore(features, **options)
    if kind == "log":
        from fin_kedro.online.log_store import LogStore

        return LogStore(features, rest, **options)
    if kind in ("redis", "rediss", "unix"):
        from fin_kedro.online.redis_store import RedisStore

        return RedisStore(features, url, **options)
    raise StoreError(
        f"store {url!r} is of no known kind; write memory:, log:FOLDER or redis://HOST:PORT/DB."
    )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Spare the garbage collector a million objects that all stay, now and later.

    Python looks through all objects now and then; with a million entities that is a pause of some
    tenths of a second in the middle of a transaction. Frozen ones are not looked at again.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY:  # objects made meanwhile
            gc.collect()
            gc.freeze()
        if was:
            gc.enable()


def _read_snapshot(plan: Plan, path: str | os.PathLike[str]) -> Iterator[Batch]:
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


def _chunks(tables: Any, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Return rows of one or many tables, in chunks, with the named columns only."""
    if hasattr(tables, "to_batches"):  # an Arrow table
        tables = tables.to_batches()
    elif hasattr(tables, "columns") and hasattr(tables, "iloc"):  # a pandas frame
        tables = [tables]
    for table in tables:
        lists = [_list(table, name) for name in columns]
        for start in range(0, len(lists[0]), CHUNK):
            part = zip(*(each[start : start + CHUNK] for each in lists), strict=True)
            yield [dict(zip(columns, row, strict=True)) for row in part]


def _list(table: Any, name: str) -> list[Any]:
    try:
        column = table[name]
    except KeyError:
        raise EventError(f"the table has no column {name!r}.") from None
    return column.to_pylist() if hasattr(column, "to_pylist") else column.tolist()  # type: ignore[no-any-return]


def _newest(table: Any, known: str, reach: int) -> Any:
    """Return the rows of a whole table that the newest of them can count; others as they are."""
    if hasattr(table, "iloc") and len(table):
        return table[table[known] >= table[known].max() - reach]
    if hasattr(table, "to_batches") and len(table):
        import pyarrow.compute as pc

        return table.filter(pc.field(known) >= pc.max(table[known]).as_py() - reach)
    return table
