"""The interface of a feature store for the live transaction.

What a statistic means is said in `fin_kedro.features.windows`; how one entity keeps it, in
`fin_kedro.features.entity_state`. A store keeps all entities, knows which transactions and labels
it has seen, and where in the stream it stands. `fin_kedro.online.opening` opens one by its address.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias

from fin_kedro.features.entity_state import Record
from fin_kedro.features.event_plan import EventError, Plan
from fin_kedro.features.windows import DAY, EventFeatures
from fin_kedro.online.frames import Batch, Offsets, StoreError, decode
from fin_kedro.online.garbage import without_collecting
from fin_kedro.online.snapshots import read_snapshot, write_snapshot
from fin_kedro.online.tables import newest_rows, row_chunks

Event: TypeAlias = tuple[str, Mapping[str, Any]]  # ("transaction" or "label", its columns)
Answer: TypeAlias = dict[str, int | None]


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
            for rows in row_chunks(newest_rows(transactions, known, reach), self.plan.columns):
                records = [self._record(row) for row in rows]
                self._load(records, [])
                count += len(records)
            columns = [self.features.id, known, self.features.label, self.features.label_id]
            for rows in row_chunks(labels, columns):
                versions = [self._version(row) for row in rows]
                self._load([], [[identity, *version] for identity, version in versions])
        return count

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write everything that is kept to one file, which appears whole or not at all."""
        moved = self.offsets()  # first: an event that comes meanwhile may be read again, not lost
        write_snapshot(self.plan, path, self._contents(), moved)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Take what `snapshot` wrote into this store, which must be empty: all of it or nothing."""
        if not self._is_empty():
            raise StoreError(f"{path} can be restored into an empty store only; open a new one.")
        self._refill(read_snapshot(self.plan, path))

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


def is_too_early(record: Record, version: Sequence[Any]) -> bool:
    """Whether a label was known before its transaction happened: history sets such ones aside."""
    return bool(version[0] < record[1])
