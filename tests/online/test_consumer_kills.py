"""A consumer killed at a hundred random instants loses nothing and counts nothing twice."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from fin_kedro.features.windows import HOUR
from fin_kedro.online import FeatureStore, open_store
from fin_kedro.online.marks import only_offsets
from tests.needs import redis_url
from tests.online.nursery import APPLYING, STARTING, WAITING, Nursery
from tests.online.stream import (
    FEATURES,
    LABELS,
    TRANSACTIONS,
    Broker,
    parameters,
    stream_of_events,
)

pytestmark = pytest.mark.slow

EVENTS = stream_of_events(12_000, seed=20_261_122)
KILLS = 100


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


class Shelf:
    """A place in Redis of its own."""

    def __init__(self) -> None:
        self.url = redis_url()
        self.options = {"prefix": f"fin-kedro-test-{uuid.uuid4().hex}"}

    def clear(self) -> None:
        """Delete what was written, and only that."""
        client = redis.Redis.from_url(self.url)
        for key in client.scan_iter(match=f"{self.options['prefix']}:*", count=1000):
            client.delete(key)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    found = Shelf()
    yield found
    found.clear()


def kill_at_random(nursery: Nursery, seen: Path, draw: random.Random, **job: Any) -> int:
    """Begin a consumer, kill it, and return what it was doing.

    Every sixth is killed while it starts and recovers, the others after a few batches.
    """
    nursery.begin(seen=seen, until_end=False, **job)
    if draw.random() < 1 / 6:
        time.sleep(draw.random() * 0.1)
    else:
        batches, until = draw.randrange(10), time.monotonic() + 10
        while seen.read_bytes()[0] == STARTING and time.monotonic() < until:
            time.sleep(0.0005)
        until = time.monotonic() + 0.05  # it may be at the end before
        while seen.read_bytes()[1] < batches and time.monotonic() < until:
            time.sleep(0.0002)
        time.sleep(draw.random() * 0.002)
    nursery.kill()
    return seen.read_bytes()[0]


def killed_consumers(
    nursery: Nursery,
    broker: Broker,
    events: list[tuple[str, dict[str, Any]]],
    folder: Path,
    kills: int,
    **job: Any,
) -> list[int]:
    """Send events in pieces, kill a consumer after each, let a last one read to the end.

    With each piece comes a broken message. Returns how many consumers were killed while they
    started, waited, applied.
    """
    draw, letters = random.Random(7), folder / "letters.jsonl"
    place = {"dead_letters": {"file": str(letters)}, "batch": 20}
    job["stream"] = parameters(broker.servers, **place)
    doing: Counter[int] = Counter()
    for number in range(kills):
        broker.send(TRANSACTIONS, f"broken {number}".encode(), key=number)
        broker.send_all(events[number * len(events) // kills : (number + 1) * len(events) // kills])
        doing[kill_at_random(nursery, folder / "seen", draw, **job)] += 1
    nursery.begin(seen=folder / "seen", until_end=True, **job)
    assert nursery.wait() == 0
    found = [json.loads(line) for line in letters.read_text().splitlines()]
    assert {letter["value"] for letter in found} == {f"broken {n}" for n in range(kills)}
    # what is written twice can be told by its place
    assert len({(letter["partition"], letter["offset"]) for letter in found}) == kills
    told = [doing[state] for state in (STARTING, WAITING, APPLYING)]
    print("killed while starting, waiting, applying:", told)
    return told


def test_a_hundred_kills_with_the_embedded_store(nursery: Nursery, tmp_path: Path) -> None:
    broker, address = Broker(), f"log:{tmp_path / 'store'}"
    doing = killed_consumers(nursery, broker, EVENTS, tmp_path, KILLS, store=address)
    # the test is about kills in the midst of work; were there none, it would show nothing
    assert doing[APPLYING] >= KILLS // 10
    with open_store(address, FEATURES) as store:
        check_that_all_is_counted_once(store, broker, EVENTS, broken=KILLS)


def test_kills_with_redis(nursery: Nursery, tmp_path: Path, shelf: Shelf) -> None:
    broker, events, kills = Broker(), EVENTS[:4000], 25
    job = {"store": shelf.url, "options": shelf.options}
    doing = killed_consumers(nursery, broker, events, tmp_path, kills, **job)
    assert doing[APPLYING] >= kills // 10
    with open_store(shelf.url, FEATURES, **shelf.options) as store:
        check_that_all_is_counted_once(store, broker, events, broken=kills)


def test_two_consumers_on_redis_one_of_them_killed(
    nursery: Nursery, tmp_path: Path, shelf: Shelf
) -> None:
    """The other takes the partitions over where the store stands; the killed one comes back."""
    broker, events, pair = Broker(), EVENTS[:4000], (nursery, Nursery())
    properties = {**parameters("")["properties"], "session.timeout.ms": 6000}
    stream = parameters(broker.servers, batch=20, share=True, properties=properties)
    for number, each in enumerate(pair):
        each.begin(
            stream=stream, store=shelf.url, options=shelf.options, until_end=False,
            seen=tmp_path / f"seen{number}",
        )  # fmt: skip
    with open_store(shelf.url, FEATURES, **shelf.options) as store:
        broker.send_all(events[:1000])
        wait_for_the_end(store, broker)
        broker.send_all(events[1000:3000])
        until = time.monotonic() + 30
        while (tmp_path / "seen0").read_bytes()[0] != APPLYING and time.monotonic() < until:
            time.sleep(0.0002)
        nursery.kill()
        broker.send_all(events[3000:])
        wait_for_the_end(store, broker)
        pair[1].kill()
        pair[1].close()
        check_that_all_is_counted_once(store, broker, events)


def read_to(store: FeatureStore) -> dict[tuple[str, int], int]:
    """Return the offsets of a store, where it has read anything."""
    return {place: at for place, at in only_offsets(store.offsets()).items() if at}


def wait_for_the_end(store: FeatureStore, broker: Broker) -> None:
    """Wait until the store has read all that was sent."""
    ends, until = broker.ends(TRANSACTIONS, LABELS), time.monotonic() + 60
    while read_to(store) != ends:
        assert time.monotonic() < until, (store.offsets(), ends)
        time.sleep(0.1)


def check_that_all_is_counted_once(
    store: FeatureStore,
    broker: Broker,
    events: list[tuple[str, dict[str, Any]]],
    broken: int = 0,
) -> None:
    """Compare a store with a clean replay, and with counts that no store made."""
    ends = broker.ends(TRANSACTIONS, LABELS)
    assert read_to(store) == ends
    assert sum(ends.values()) == len(events) + broken
    plain = Plain(events)
    with open_store("memory:", FEATURES) as clean:
        clean.apply(events, {})
        for name in ("transactions", "labels", "waiting", "newest_us"):
            assert store.statistics()[name] == clean.statistics()[name], name
        for row in plain.probes():
            found = store.lookup(row)
            assert found == clean.lookup(row), row
            assert found == plain.counted(row), row


class Plain:
    """Features counted from the events themselves. All lie within the 30 days before the probe."""

    def __init__(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        unique = {row["transaction_id"]: row for kind, row in events if kind == "transaction"}
        labels = [row for kind, row in events if kind == "label"]
        self.moment = max(row["known_us"] for _, row in events) + 1
        self.last_label = {
            row["transaction_id"]: row["fraud"]
            for row in sorted(labels, key=lambda row: (row["known_us"], row["label_id"]))
        }
        self.customers, self.terminals = defaultdict(list), defaultdict(list)
        for row in unique.values():
            self.customers[row["customer_id"]].append(row)
            self.terminals[row["terminal_id"]].append(row)

    def probes(self) -> list[dict[str, Any]]:
        """Return transactions to come: each customer at each terminal."""
        return [
            {
                "transaction_id": 10_000_000 + 100 * customer + terminal,
                "event_us": self.moment,
                "known_us": self.moment,
                "customer_id": customer,
                "terminal_id": terminal,
                "amount_cents": 1,
            }
            for customer in range(40)
            for terminal in range(15)
        ]

    def counted(self, probe: dict[str, Any]) -> dict[str, int | None]:
        """Return the features of a probe."""
        customer = self.customers[probe["customer_id"]]
        terminal = self.terminals[probe["terminal_id"]]
        visits = [r["known_us"] for r in terminal if r["customer_id"] == probe["customer_id"]]
        return {
            "customer_count": len(customer),
            "customer_sum": sum(r["amount_cents"] for r in customer),
            "terminal_hours": sum(r["event_us"] >= self.moment - 6 * HOUR for r in terminal),
            "terminal_frauds": sum(self.last_label.get(r["transaction_id"], 0) for r in terminal),
            "pair_since": self.moment - max(visits) if visits else None,
        }
