"""The log store under kill -9 at random instants: nothing lost, nothing counted twice."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.features.entity_bytes import pack_entity
from fin_kedro.online import FeatureStore, memory_store, open_store
from fin_kedro.online.log_store import LogStore
from fin_kedro.online.memory_store import MemoryStore
from tests.features.event_streams import FEATURES, nearly_ordered

from .dying import Tell, killed
from .kinds import LONG, row

KILLS = 50  # for each of two ways to write
RESTORES = 20
EVENTS = 3_000
OFFSET = ("transactions", 0)
Options = dict[str, Any]
Events = list[tuple[str, Any]]


def opened(folder: Path, **options: Any) -> LogStore:
    store = open_store(f"log:{folder}", FEATURES, ahead_us=None, **options)
    assert isinstance(store, LogStore)
    return store


def batch_end(start: int) -> int:
    """Where the batch that begins at an event ends; the same in every life."""
    return min(EVENTS, start + 1 + start * 7 % 13)


def boundaries() -> set[int]:
    ends = {0}
    while max(ends) < EVENTS:
        ends.add(batch_end(max(ends)))
    return ends


def probed(store: FeatureStore, moment: int) -> list[Any]:
    """Answers about every entity at a moment."""
    return [
        store.lookup(row("probe", moment, customer_id=customer, terminal_id=terminal))
        for customer in (1, 2)
        for terminal in "abc"
    ]


def apply_batches(tell: Tell, folder: Path, options: Options, events: Events) -> None:
    store = opened(folder, **options)
    start = store.offsets().get(OFFSET, 0)
    while start < EVENTS:
        end = batch_end(start)
        store.apply(events[start:end], {OFFSET: end})
        tell(end)
        start = end


def take_singly(tell: Tell, folder: Path, options: Options, events: Events, first: int) -> None:
    store = opened(folder, **options)
    for at in range(first, EVENTS):
        take(store, events[at])
        tell(at + 1)


def restore_slowly(tell: Tell, folder: Path, options: Options, saved: Path) -> None:
    """Restore a snapshot, and say after each of its frames."""
    store = opened(folder, **options)
    load, done = store._load, itertools.count(1)

    def loading(*arguments: Any) -> None:
        load(*arguments)
        tell(next(done))
        time.sleep(0.0005)  # the kill comes a moment later, and should find it at work

    store._load = loading  # type: ignore[method-assign]
    store.restore(saved)
    tell(EVENTS)


@pytest.mark.slow
def test_batches_with_offsets_survive_kills_whole(tmp_path: Path) -> None:
    """Short windows and small segments: they are begun and deleted all the time."""
    options: dict[str, Any] = {"segment_bytes": 1_500, "lateness_us": 9}
    chance, allowed, progress = random.Random(1), boundaries(), []
    folder, events, acknowledged, reference = tmp_path, [], EVENTS, MemoryStore(FEATURES)
    for kill in range(KILLS):
        if acknowledged == EVENTS:  # a stream was read to its end: another one
            folder, acknowledged, at = tmp_path / str(kill), 0, 0
            events = long_stream(kill, lateness=9)
            reference = MemoryStore(FEATURES, lateness_us=9, ahead_us=None)
        last = killed(chance, EVENTS, apply_batches, folder, options, events)
        acknowledged = max(acknowledged, last)
        with opened(folder, **options) as store:
            kept = store.offsets().get(OFFSET, 0)
            assert acknowledged <= kept <= batch_end(acknowledged)
            assert kept in allowed
            while at < kept:
                reference.apply(events[at : batch_end(at)], {})
                at = batch_end(at)
            moment = events[max(0, kept - 1)][1]["known_us"] + 1
            assert probed(store, moment) == probed(reference, moment)
        acknowledged = kept
        progress.append(kept)
    assert len(set(progress)) > KILLS // 3  # they were killed at work, not before it


@pytest.mark.slow
def test_single_events_survive_kills_and_may_be_sent_again(tmp_path: Path) -> None:
    """Windows longer than the stream: every byte of every entity is compared."""
    options: dict[str, Any] = {"segment_bytes": 20_000, "lateness_us": LONG}
    chance, progress = random.Random(2), []
    folder, events, acknowledged, reference = tmp_path, [], EVENTS, MemoryStore(FEATURES)
    for kill in range(KILLS):
        if acknowledged == EVENTS:
            folder, acknowledged, at = tmp_path / str(kill), 0, 0
            events = long_stream(kill, lateness=30)
            reference = MemoryStore(FEATURES, lateness_us=LONG, ahead_us=None)
        first = max(0, acknowledged - 3)
        last = killed(chance, EVENTS, take_singly, folder, options, events, first)
        acknowledged = max(acknowledged, last)
        with opened(folder, **options) as store:
            counts = store.statistics()
            kept = counts["transactions"] + counts["labels"]
            assert acknowledged <= kept <= acknowledged + 1
            for event in events[at:kept]:
                take(reference, event)
            at = kept
            assert packed(store) == packed(reference)
        acknowledged = kept
        progress.append(kept)
    assert len(set(progress)) > KILLS // 3


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_store_empty_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_store, "CHUNK", 10)  # of the snapshot: many small frames
    options: dict[str, Any] = {"segment_bytes": 4_000, "lateness_us": LONG}
    chance, within, saved = random.Random(3), 0, tmp_path / "saved"
    full = MemoryStore(FEATURES, lateness_us=LONG, ahead_us=None)
    full.apply(long_stream(3, lateness=30), {OFFSET: 7})
    full.snapshot(saved)
    counts = {name: full.statistics()[name] for name in ("transactions", "labels", "newest_us")}
    for kill in range(RESTORES):
        last = killed(chance, EVENTS, restore_slowly, tmp_path / str(kill), options, saved)
        within += 0 < last < EVENTS
        with opened(tmp_path / str(kill), **options) as store:
            kept = store.statistics()
            assert kept["transactions"] in (0, full.statistics()["transactions"])
            if not kept["transactions"]:
                assert last < EVENTS and not kept["labels"] and store.offsets() == {}
                store.restore(saved)
        with opened(tmp_path / str(kill), **options) as store:
            assert store.offsets() == {OFFSET: 7}
            assert store.statistics().items() >= counts.items()
            moment = counts["newest_us"] - chance.randrange(40)
            assert probed(store, moment) == probed(full, moment)
    assert within >= RESTORES // 5  # they were killed in the middle


def long_stream(seed: int, *, lateness: int) -> list[tuple[str, Any]]:
    return nearly_ordered(seed, lateness=lateness, length=3 * EVENTS)[:EVENTS]


def take(store: FeatureStore, event: tuple[str, Any]) -> None:
    kind, told = event
    _ = store.score(told) if kind == "transaction" else store.learn(told)


def packed(store: MemoryStore) -> list[dict[Any, bytes]]:
    """Every entity as bytes."""
    return [
        {name: pack_entity(entity) for name, entity in entities.items()}
        for entities in store._entities
    ]
