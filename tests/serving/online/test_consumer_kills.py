"""A consumer killed at a hundred random instants loses nothing and counts nothing twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.features.windows import HOUR
from fin_kedro.serving.online.store import FeatureStore, open_store
from tests.serving.online.nursery import APPLYING, STARTING, Nursery
from tests.serving.online.stream import (
    FEATURES,
    LABELS,
    TRANSACTIONS,
    Broker,
    parameters,
    stream_of_events,
)

pytestmark = pytest.mark.slow

EVENTS = stream_of_events(16_000, seed=20_261_122)
KILLS = 100


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


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


def test_kills_of_the_consumer_of_the_embedded_store(nursery: Nursery, tmp_path: Path) -> None:
    draw, broker = random.Random(7), Broker()
    letters = tmp_path / "letters.jsonl"
    stream = parameters(broker.servers, batch=20, dead_letters={"file": str(letters)})
    job = {"stream": stream, "store": f"log:{tmp_path / 'store'}"}
    piece = len(EVENTS) // KILLS
    doing: Counter[int] = Counter()
    for number in range(KILLS):
        last = number == KILLS - 1
        broker.send(TRANSACTIONS, f"broken {number}".encode(), key=number)
        broker.send_all(EVENTS[number * piece : None if last else (number + 1) * piece])
        doing[kill_at_random(nursery, tmp_path / "seen", draw, **job)] += 1
    nursery.begin(seen=tmp_path / "seen", until_end=True, **job)
    assert nursery.wait() == 0
    print("killed while starting, waiting, applying:", [doing[n] for n in range(3)])
    # the test is about kills in the midst of work; were there none, it would show nothing
    assert doing[APPLYING] >= 10
    with open_store(job["store"], FEATURES) as store:
        check_that_all_is_counted_once(store, broker, broken=KILLS)
    found = [json.loads(line) for line in letters.read_text().splitlines()]
    assert {letter["value"] for letter in found} == {f"broken {n}" for n in range(KILLS)}
    # what is written twice can be told by its place
    assert len({(letter["partition"], letter["offset"]) for letter in found}) == KILLS


def check_that_all_is_counted_once(store: FeatureStore, broker: Broker, broken: int = 0) -> None:
    """Compare a store with a clean replay, and with counts that no store made."""
    ends = broker.ends(TRANSACTIONS, LABELS)
    assert {p: at for p, at in store.offsets().items() if at} == ends and sum(ends.values()) == len(
        EVENTS
    ) + broken
    with open_store("memory:", FEATURES) as clean:
        clean.apply(EVENTS, {})
        for name in ("transactions", "labels", "waiting", "newest_us"):
            assert store.statistics()[name] == clean.statistics()[name], name
        for row in probes():
            found = store.lookup(row)
            assert found == clean.lookup(row), row
            assert found == counted(row), row


UNIQUE = {row["transaction_id"]: row for kind, row in EVENTS if kind == "transaction"}
LAST_LABEL: dict[int, dict[str, Any]] = {}
for _row in sorted(
    (row for kind, row in EVENTS if kind == "label"),
    key=lambda row: (row["known_us"], row["label_id"]),
):
    LAST_LABEL[_row["transaction_id"]] = _row
BY_TERMINAL: dict[int, list[dict[str, Any]]] = defaultdict(list)
for _row in UNIQUE.values():
    BY_TERMINAL[_row["terminal_id"]].append(_row)
MOMENT = max(row["known_us"] for _, row in EVENTS) + 1


def probes() -> list[dict[str, Any]]:
    """Return transactions to come: each customer at each terminal."""
    return [
        {
            "transaction_id": 10_000_000 + 100 * customer + terminal,
            "event_us": MOMENT,
            "known_us": MOMENT,
            "customer_id": customer,
            "terminal_id": terminal,
            "amount_cents": 1,
        }
        for customer in range(40)
        for terminal in range(15)
    ]


def counted(probe: dict[str, Any]) -> dict[str, int | None]:
    """Return the features of a probe, counted from the events themselves.

    All events lie within the 30 days before the probe.
    """
    customer = [r for r in UNIQUE.values() if r["customer_id"] == probe["customer_id"]]
    terminal = BY_TERMINAL[probe["terminal_id"]]
    visits = [r["known_us"] for r in terminal if r["customer_id"] == probe["customer_id"]]
    labels = [LAST_LABEL.get(r["transaction_id"], {"fraud": 0}) for r in terminal]
    return {
        "customer_count": len(customer),
        "customer_sum": sum(r["amount_cents"] for r in customer),
        "terminal_hours": sum(r["event_us"] >= MOMENT - 6 * HOUR for r in terminal),
        "terminal_frauds": sum(label["fraud"] for label in labels),
        "pair_since": MOMENT - max(visits) if visits else None,
    }
