"""A feature store on top of any store of keys and bytes that can exchange several at once.

What is kept under a key carries a version. An event reads the keys it needs, works out their new
bytes, and exchanges them all, or none if a version has changed meanwhile; then it starts again. So
several processes work on the same entities and lose nothing.
"""

from __future__ import annotations

import contextlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fin_kedro.features.entity_bytes import pack_entity, unpack_entity
from fin_kedro.features.entity_state import Entity, KeyPlan, Record
from fin_kedro.online.frames import Offsets, StoreError, decode, encode
from fin_kedro.online.memory_store import MemoryStore
from fin_kedro.online.store import Answer, Event, FeatureStore, is_too_early

ATTEMPTS = 100
VERSION = 8  # bytes of the version in front of a value
NONE = b""  # the version of what is not there
FIRST = (1).to_bytes(VERSION, "little")


class Change(NamedTuple):
    """A key, the version it must still have, and its new value."""

    key: str
    version: bytes
    value: bytes


class _Slot:
    """What is known about one transaction id: its record, and label versions, in any order."""

    def __init__(self, data: bytes | None) -> None:
        packed, self.versions = decode(data[VERSION:]) if data else (None, [])
        self.record: Record | None = None if packed is None else tuple(packed)

    def pack(self) -> bytes:
        return encode((self.record, self.versions))


class _View:
    """Keys as they were read, and as one attempt has changed them."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._read: dict[str, bytes | None] = {}
        self._held: dict[str, Any] = {}
        self._changed: dict[str, None] = {}

    def fetch(self, keys: Iterable[str]) -> None:
        """Read keys that were not read yet, all at one moment."""
        missing = list(dict.fromkeys(key for key in keys if key not in self._read))
        if missing:
            self._read.update(zip(missing, self._store._fetch(missing), strict=True))

    def slot(self, key: str) -> _Slot:
        if key not in self._held:
            self._held[key] = _Slot(self._read[key])
        return self._held[key]  # type: ignore[no-any-return]

    def entity(self, key: str, plan: KeyPlan) -> Entity | None:
        """Return an entity, or None where there is none."""
        if key not in self._held:
            data = self._read[key]
            self._held[key] = None if data is None else unpack_entity(plan, data[VERSION:])
        return self._held[key]  # type: ignore[no-any-return]

    def put(self, key: str, held: Any) -> None:
        """Say that something was changed."""
        self._held[key] = held
        self._changed[key] = None

    def changes(self) -> list[Change]:
        return [self._change(key) for key in self._changed]

    def _change(self, key: str) -> Change:
        before = self._read[key]
        version = NONE if before is None else before[:VERSION]
        count = int.from_bytes(version, "little") + 1
        held = self._held[key]
        data = held.pack() if isinstance(held, _Slot) else pack_entity(held)
        return Change(key, version, (count % (1 << 64)).to_bytes(VERSION, "little") + data)


class KeyValueStore(FeatureStore):
    """Entities, and transaction ids with their labels, each under a key of its own."""

    @abstractmethod
    def _fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, all as of one moment."""

    @abstractmethod
    def _exchange(self, changes: Sequence[Change], offsets: Offsets) -> bool:
        """Write all changes and offsets, or none (False) when a version is another one now."""

    @abstractmethod
    def _slots(self) -> Iterator[tuple[str, bytes]]:
        """Return all keys that begin with "x:", each with its value."""

    def _attempt(self) -> contextlib.AbstractContextManager[Any]:
        """Surround what is read and exchanged in one attempt."""
        return contextlib.nullcontext()

    def lookup(self, transaction: Mapping[str, Any]) -> Answer:
        """See `FeatureStore.lookup`."""
        record, rows = self._read_transaction(transaction)
        with self._attempt():
            view = _View(self)
            slot = _slot_key(record[0])
            view.fetch([slot, *self._entity_keys(record)])
            record = view.slot(slot).record or record
            view.fetch(self._entity_keys(record))
            return self._answer(view, record, rows)

    def apply(self, events: Sequence[Event], offsets: Offsets) -> list[Any]:
        """See `FeatureStore.apply`."""
        read = self._read(events)
        kinds = [kind for kind, _ in events]
        return self._transact(
            [(*each, kind) for each, kind in zip(read, kinds, strict=True)], offsets
        )

    def statistics(self) -> dict[str, int]:
        """See `FeatureStore.statistics`. Looks at every transaction that is kept."""
        slots = [_Slot(data) for _, data in self._slots()]
        known = [slot.record[2] for slot in slots if slot.record]
        return {
            "transactions": len(known),
            "labels": sum(len(slot.versions) for slot in slots),
            "waiting": len(slots) - len(known),
            "newest_us": max(known, default=0),
        }

    def _contents(self) -> Iterator[tuple[list[bytes], list[list[Any]]]]:
        labels = []
        for key, data in self._slots():
            slot = _Slot(data)
            labels += [[_slot_identity(key), *version] for version in slot.versions]
            if slot.record is not None:  # else: labels that wait for their transaction
                yield [encode(slot.record)], []
        yield [], labels

    def _load(self, records: Sequence[Record], labels: Sequence[list[Any]]) -> None:
        told: list[tuple[Any, Any, str]] = [(record, None, "transaction") for record in records]
        told += [(label[0], label[1:], "label") for label in labels]
        for start in range(0, len(told), 200):
            self._transact(told[start : start + 200], {})

    def _transact(self, told: Sequence[tuple[Any, Any, str]], offsets: Offsets) -> list[Any]:
        """Take (record, row values) and (id, label version); row values None: no answer."""
        for _ in range(ATTEMPTS):
            with self._attempt():
                view = _View(self)
                self._fetch_all(view, told)
                answers = [
                    self._take(view, first, second)
                    if kind == "transaction"
                    else self._take_label(view, first, second)
                    for first, second, kind in told
                ]
                changes = view.changes()
                if not (changes or offsets) or self._exchange(changes, offsets):
                    return answers
        raise StoreError(
            f"{ATTEMPTS} times another process changed the same entities first; nothing was "
            "counted. Send the events again, or in smaller batches."
        )

    def _fetch_all(self, view: _View, told: Sequence[tuple[Any, Any, str]]) -> None:
        own = [first for first, _, kind in told if kind == "transaction"]
        slots = [_slot_key(f[0] if kind == "transaction" else f) for f, _, kind in told]
        view.fetch([*slots, *(key for record in own for key in self._entity_keys(record))])
        stored = [view.slot(key).record for key in slots]
        view.fetch([key for record in stored if record for key in self._entity_keys(record)])

    def _take(self, view: _View, record: Record, rows: list[int] | None) -> Answer | None:
        key = _slot_key(record[0])
        slot = view.slot(key)
        new = slot.record is None
        record = slot.record or record
        answer = None if rows is None else self._answer(view, record, rows)
        if new:
            slot.record = record
            view.put(key, slot)
            for plan, name in zip(self.plan.keys, self._entity_keys(record), strict=True):
                entity = view.entity(name, plan) or Entity(plan)
                plan.add(entity, record)
                view.put(name, entity)
            for version in slot.versions:
                self._mark(view, record, version)
        return answer

    def _take_label(self, view: _View, identity: Any, version: list[Any]) -> bool:
        key = _slot_key(identity)
        slot = view.slot(key)
        if any(known[1] == version[1] for known in slot.versions):
            return False
        slot.versions.append(version)
        view.put(key, slot)
        if slot.record is not None:
            self._mark(view, slot.record, version)
        return True

    def _mark(self, view: _View, record: Record, version: list[Any]) -> None:
        if is_too_early(record, version):
            return
        for plan, name in zip(self.plan.keys, self._entity_keys(record), strict=True):
            entity = view.entity(name, plan) if plan.marks else None
            if entity is not None:
                plan.label(entity, record, version)
                view.put(name, entity)

    def _answer(self, view: _View, record: Record, rows: list[int]) -> Answer:
        pairs = zip(self._entity_keys(record), self.plan.keys, strict=True)
        entities = [view.entity(name, plan) for name, plan in pairs]
        return dict(zip(self.plan.names, self.plan.answer(record, rows, entities), strict=True))

    def _entity_keys(self, record: Record) -> list[str]:
        return [_entity_key(at, key.name(record)) for at, key in enumerate(self.plan.keys)]


def _entity_key(at: int, name: Any) -> str:
    return f"{at}:{json.dumps(name)}"


def _slot_key(identity: Any) -> str:
    return f"x:{json.dumps(identity)}"


def _slot_identity(key: str) -> Any:
    return json.loads(key.removeprefix("x:"))


def packed_store(store: MemoryStore) -> Iterator[tuple[str, bytes]]:
    """Return everything in a store as keys and first values."""
    for records, _ in store._contents():
        for packed in records:
            identity = decode(packed)[0]
            body = encode((msgspec.Raw(packed), store._labels.get(identity, [])))
            yield _slot_key(identity), FIRST + body
    for identity, versions in store._labels.items():
        if identity not in store._records:
            yield _slot_key(identity), FIRST + encode((None, versions))
    for at, entities in enumerate(store._entities):
        for name, entity in entities.items():
            yield _entity_key(at, name), FIRST + pack_entity(entity)
