"""The store that lives in memory: for replays, tests, and as the heart of others."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fin_kedro.features.entity_state import Entity, Record
from fin_kedro.features.event_plan import EventError
from fin_kedro.features.windows import EventFeatures
from fin_kedro.online.frames import Batch, Offsets, StoreError, decode, encode
from fin_kedro.online.store import Answer, Event, FeatureStore, is_too_early

CHUNK = 2_000  # events in one frame of a snapshot


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
