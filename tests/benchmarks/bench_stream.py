"""The consumer: events a second from a local broker, and how old an event is when it counts."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.online import FeatureStore, open_store
from fin_kedro.online.consumer import StreamConsumer
from fin_kedro.online.kafka import stream_settings
from tests.online.stream import Broker, contracts, parameters, stream_of_events

from .conftest import Printer

EVENTS, ROUNDS, LONE = 50_000, 3, 200


class Nothing:
    """A store that keeps nothing: what reading and checking alone cost."""

    def offsets(self) -> dict[tuple[str, int], int]:
        return {}

    def apply(self, events: Sequence[Any], offsets: Mapping[Any, int]) -> None:
        pass


def consumer(store: Any, broker: Broker) -> StreamConsumer:
    settings = stream_settings(parameters(broker.servers, batch=500))
    return StreamConsumer(store=store, settings=settings, features=fraud_statistics, **contracts())


def seconds(store: Any, broker: Broker) -> float:
    """Processor seconds of one consumer from the beginning to the end of the stream."""
    stream = consumer(store, broker)
    began = time.process_time()
    stream.run(until_end=True)
    return time.process_time() - began


def bench_stream(say: Printer, tmp_path: Path) -> None:
    """The embedded store beside the one in memory and none, in turns; then one event at a time."""
    broker = Broker()
    events = stream_of_events(EVENTS, seed=1)
    broker.send_all(events)
    taken: dict[str, list[float]] = {"nothing": [], "memory": [], "log": []}
    for number in range(ROUNDS):
        for name, found in taken.items():
            if name == "nothing":
                found.append(seconds(Nothing(), broker))
                continue
            address = "memory:" if name == "memory" else f"log:{tmp_path / str(number)}"
            with open_store(address, fraud_statistics) as store:
                found.append(seconds(store, broker))
    middle = {name: statistics.median(found) for name, found in taken.items()}
    for name, found in middle.items():
        say(
            f"{name}: {len(events) / found:,.0f} events a processor second, "
            f"{1e6 * found / len(events):.0f} us each, {found / middle['nothing']:.1f} x reading"
        )
    with open_store(f"log:{tmp_path / 'lone'}", fraud_statistics) as store:
        ages = sorted(freshness(store, Broker()))
    say(
        f"a lone event counts {1e3 * statistics.median(ages):.1f} ms after it was sent "
        f"(99 %: {1e3 * ages[int(0.99 * len(ages))]:.1f} ms)"
    )


def freshness(store: FeatureStore, broker: Broker) -> list[float]:
    """Seconds from sending an event until the store counts it."""
    stream = consumer(store, broker)
    thread = threading.Thread(target=stream.run)
    thread.start()
    transactions = [row for kind, row in stream_of_events(LONE, seed=2) if kind == "transaction"]
    ages = []
    for row in {row["transaction_id"]: row for row in transactions}.values():
        counted = store.statistics()["transactions"]
        began = time.perf_counter()
        broker.send_all([("transaction", row)])
        while store.statistics()["transactions"] == counted:
            time.sleep(0.0005)
        ages.append(time.perf_counter() - began)
    stream.stop()
    thread.join()
    return ages[10:]
