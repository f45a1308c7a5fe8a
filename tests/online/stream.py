"""A stream to test with: a broker in this process, contracts, seeded transactions and labels."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from fin_kedro.contracts import Contract
from fin_kedro.contracts.reading import read_contract
from fin_kedro.features.windows import DAY, HOUR, EventFeatures, Statistic
from tests.conftest import ROOT

TRANSACTIONS, LABELS, DEAD = "card-transactions", "fraud-labels", "card-dead-letters"
START = 1_700_000_000_000_000

FEATURES = EventFeatures(
    statistics=(
        Statistic(
            name="customer_count", key=("customer_id",), aggregate="count", window_us=30 * DAY,
            description="transactions in 30 days",
        ),
        Statistic(
            name="customer_sum", key=("customer_id",), aggregate="sum", window_us=30 * DAY,
            value=lambda row: row["amount_cents"], description="cents in 30 days",
        ),
        Statistic(
            name="terminal_hours", key=("terminal_id",), aggregate="count", window_us=6 * HOUR,
            description="transactions at the terminal in 6 hours",
        ),
        Statistic(
            name="terminal_frauds", key=("terminal_id",), aggregate="count", of="frauds",
            window_us=30 * DAY, description="frauds known at the terminal in 30 days",
        ),
        Statistic(
            name="pair_since", key=("customer_id", "terminal_id"), aggregate="since_last",
            window_us=30 * DAY, description="time since the last visit",
        ),
    )
)  # fmt: skip


CONTRACTS = ROOT / "conf/base/contracts"


def contracts() -> dict[str, Contract]:
    """Return the project's own contracts, as `StreamConsumer` takes them."""
    return {
        "transactions": read_contract(CONTRACTS / "card_transactions.odcs.yaml"),
        "labels": read_contract(CONTRACTS / "fraud_labels.odcs.yaml"),
    }


class Broker:
    """librdkafka's mock cluster; lives as long as this object, in this process."""

    def __init__(self) -> None:
        """Start it, with the stream's topics (4 partitions each)."""
        self.producer = Producer({"test.mock.num.brokers": 1, "log_level": 3})
        broker = self.producer.list_topics(timeout=10).brokers[1]
        self.servers = f"{broker.host}:{broker.port}"
        for topic in (TRANSACTIONS, LABELS, DEAD):
            self.producer.list_topics(topic, timeout=10)  # asking makes it

    def send(self, topic: str, value: Any, *, key: object = None) -> None:
        """Send one message; what is not bytes becomes JSON."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.producer.produce(topic, key=None if key is None else str(key), value=data)

    def send_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Send transactions, keyed by their customer, and labels, keyed by their transaction."""
        for kind, row in events:
            if kind == "transaction":
                self.send(TRANSACTIONS, row, key=row["customer_id"])
            else:
                self.send(LABELS, row, key=row["transaction_id"])
        self.flush()

    def read(self, topic: str, number: int) -> list[Message]:
        """Read so many messages of a topic, oldest first in each partition."""
        reader = Consumer({"bootstrap.servers": self.servers, "group.id": "reader"})
        reader.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
        found: list[Message] = []
        for _ in range(100):
            found += reader.consume(number - len(found), 0.1)
            if len(found) == number:
                break
        reader.close()
        return found

    def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """Return where each partition ends that has messages."""
        reader = Consumer({"bootstrap.servers": self.servers, "group.id": "watch"})
        places = [(topic, partition) for topic in topics for partition in range(4)]
        ends = {p: reader.get_watermark_offsets(TopicPartition(*p))[1] for p in places}
        reader.close()
        return {place: end for place, end in ends.items() if end}

    def flush(self) -> None:
        """Wait until the broker has everything."""
        assert self.producer.flush(10) == 0


def parameters(servers: str, **changes: Any) -> dict[str, Any]:
    """Return parameters ``online.stream`` as conf has them."""
    return {
        "servers": servers,
        "topics": {"transactions": TRANSACTIONS, "labels": LABELS},
        "dead_letters": {"topic": DEAD},
        "poll_seconds": 0.05,
        # the mock broker answers a waiting fetch late, a real one at once
        "properties": {"fetch.wait.max.ms": 20, "fetch.error.backoff.ms": 20},
        **changes,
    }


def stream_of_events(number: int, *, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Return transactions and labels in the order they are sent.

    Of 100 events 3 come late, 5 twice, some labels before their transaction; a third of the
    labels is corrected later.
    """
    draw = random.Random(seed)
    timed: list[tuple[float, str, dict[str, Any]]] = []
    label_id = 0
    for transaction_id in range(number):
        event = START + transaction_id * 60_000_000 + draw.randrange(60_000_000)
        late = draw.randrange(5 * HOUR) if draw.random() < 0.03 else 0
        row = {
            "transaction_id": transaction_id,
            "event_us": event,
            "known_us": event + late,
            "customer_id": draw.randrange(40),
            "terminal_id": draw.randrange(15),
            "amount_cents": draw.randrange(1, 30_000),
            "place_x": draw.randrange(100_000),
            "place_y": draw.randrange(100_000),
        }
        timed.append((row["known_us"] + draw.randrange(HOUR), "transaction", row))
        if draw.random() < 0.15:
            reports = [1, 0] if draw.random() < 0.33 else [1]
            known = row["known_us"]
            for fraud in reports:
                known += 1 + draw.randrange(4 * HOUR)
                label = {
                    "label_id": label_id,
                    "transaction_id": transaction_id,
                    "fraud": fraud,
                    "known_us": known,
                    "fraud_type": "terminal",
                }
                label_id += 1
                # a label may overtake its transaction and its own predecessor
                timed.append((known - draw.randrange(2 * HOUR), "label", label))
    timed += [(at + draw.randrange(HOUR), kind, row) for at, kind, row in timed
              if draw.random() < 0.05]  # fmt: skip
    timed.sort(key=lambda item: item[0])
    return [(kind, row) for _, kind, row in timed]
