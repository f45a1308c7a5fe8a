"""The log store under kill -9 at random instants: nothing lost, nothing counted twice."""

from __future__ import annotations

import itertools
import os
import random
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.features.entity_state import pack_entity
from fin_kedro.serving.online import FeatureStore, open_store
from fin_kedro.serving.online import store as store_module
from fin_kedro.serving.online.log_store import LogStore
from fin_kedro.serving.online.store import MemoryStore
from tests.features.event_streams import FEATURES, nearly_ordered

from .kinds import LONG, row

KILLS = 50  # for each of two ways to write
RESTORES = 20
MOST = 150  # acknowledgements before a kill
EVENTS = 3_000
NUMBER = struct.Struct("<I")
OFFSET = ("transactions", 0)
Work = Callable[[Callable[[int], None]], None]


@contextmanager
def child(work: Work) -> Iterator[tuple[int, int]]:
    """Fork a process that works and acknowledges numbers; yields its id and where they are read.

    It is killed at the end, whatever it does. Forking spares a hundred imports.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            acknowledge(writing, 0)
            work(partial(acknowledge, writing))
            time.sleep(60)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        yield process, reading
    finally:
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def end_of(process: int) -> str:
    """How a child ended that nobody here has killed yet; it stays to be waited for."""
    time.sleep(1)  # its pipe is closed before it can be waited for
    found = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return "it still runs, so what was read is not its pipe"
    how = "exit status" if found.si_code == os.CLD_EXITED else "signal"
    return f"{how} {found.si_status}: see its traceback"


def acknowledge(writing: int, number: int) -> None:
    os.write(writing, NUMBER.pack(number))


def killed(work: Work, chance: random.Random) -> int:
    """Let a process work, kill it at some instant, and return the last number acknowledged.

    The instant is a random time after a random number of acknowledgements, however busy the
    machine is: while the log is opened and read (after the first), and during any later event.
    """
    awaited, data = chance.choice([1, chance.randint(2, MOST)]), b""
    with child(work) as (process, reading):
        while len(data) < NUMBER.size * awaited and not data.endswith(NUMBER.pack(EVENTS)):
            more = os.read(reading, NUMBER.size)
            assert more, f"the child ended by itself after {data!r}: {end_of(process)}"
            data += more
        time.sleep(chance.uniform(0, chance.choice([0.0003, 0.003])))
    while more := os.read(reading, 1 << 16):
        data += more
    os.close(reading)
    assert len(data) % NUMBER.size == 0
    return NUMBER.unpack_from(data, len(data) - NUMBER.size)[0]  # type: ignore[no-any-return]


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

        def work(told: Callable[[int], None]) -> None:
            store = opened(folder, **options)  # noqa: B023 (it is called before the loop goes on)
            start = store.offsets().get(OFFSET, 0)
            while start < EVENTS:
                end = batch_end(start)
                store.apply(events[start:end], {OFFSET: end})  # noqa: B023
                told(end)
                start = end

        acknowledged = max(acknowledged, killed(work, chance))
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

        def work(told: Callable[[int], None]) -> None:
            store = opened(folder, **options)  # noqa: B023
            for at in range(max(0, acknowledged - 3), EVENTS):  # noqa: B023
                take(store, events[at])  # noqa: B023
                told(at + 1)

        acknowledged = max(acknowledged, killed(work, chance))
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
    monkeypatch.setattr(store_module, "CHUNK", 10)
    options: dict[str, Any] = {"segment_bytes": 4_000, "lateness_us": LONG}
    chance, within, saved = random.Random(3), 0, tmp_path / "saved"
    full = MemoryStore(FEATURES, lateness_us=LONG, ahead_us=None)
    full.apply(long_stream(3, lateness=30), {OFFSET: 7})
    full.snapshot(saved)
    counts = {name: full.statistics()[name] for name in ("transactions", "labels", "newest_us")}
    for kill in range(RESTORES):

        def work(told: Callable[[int], None]) -> None:
            store = opened(tmp_path / str(kill), **options)  # noqa: B023
            load, done = store._load, itertools.count(1)

            def loading(*arguments: Any) -> None:
                load(*arguments)
                told(next(done))
                time.sleep(0.0005)  # the kill comes a moment later, and should find it at work

            store._load = loading  # type: ignore[method-assign]
            store.restore(saved)
            told(EVENTS)

        last = killed(work, chance)
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
