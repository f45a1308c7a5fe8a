"""The stream reaches the store: whole, once, in order of each partition, whatever goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from fin_kedro.features.event_plan import EventError
from fin_kedro.online import consumer as consumer_module
from fin_kedro.online import kafka
from fin_kedro.online.consumer import StreamConsumer
from fin_kedro.online.dead_letters import DeadLetterError
from fin_kedro.online.kafka import StreamError, stream_settings
from fin_kedro.online.marks import mark_place, only_offsets
from tests.conftest import ROOT
from tests.online.stream import (
    DEAD,
    FEATURES,
    LABELS,
    TRANSACTIONS,
    Broker,
    contracts,
    parameters,
    stream_of_events,
)

EVENTS = stream_of_events(300, seed=1)


def ids(events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, int]]:
    """Return kind and id of each event."""
    return [(kind, row.get("label_id", row["transaction_id"])) for kind, row in events]


UNIQUE = set(ids(EVENTS))


class ListStore:
    """What a consumer asks of a store, and nothing else: a batch and its offsets in one step."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, Mapping[str, Any]]] = []
        self.next: dict[tuple[str, int], int] = {}
        self.marks: dict[tuple[str, int], int] = {}
        self.batches: list[int] = []
        self.refuse: Callable[[Mapping[str, Any]], Exception | None] = lambda _: None

    def offsets(self) -> dict[tuple[str, int], int]:
        return self.next | self.marks

    def apply(
        self,
        events: Sequence[tuple[str, Mapping[str, Any]]],
        offsets: Mapping[tuple[str, int], int],
    ) -> None:
        for position, (_, row) in enumerate(events):
            if (error := self.refuse(row)) is not None:
                error.position = position  # type: ignore[attr-defined]
                raise error
        self.applied.extend(events)
        self.next.update(only_offsets(offsets))
        self.marks.update({p: at for p, at in offsets.items() if p not in self.next})
        self.batches.append(len(events))


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def store() -> ListStore:
    return ListStore()


def consumer(broker: Broker, store: Any, **changes: Any) -> StreamConsumer:
    settings = stream_settings(parameters(broker.servers, **changes))
    return StreamConsumer(store=store, settings=settings, features=FEATURES, **contracts())


def in_thread(target: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException]]:
    """Run something beside the test; its error is kept."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


def applied(store: ListStore, many: int) -> bool:
    return len(store.applied) == many


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def let_a_partition_be_added(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Hide the last partition of each topic twice; returns a list that grows with each look."""
    real, asked = kafka.partitions, []

    def growing(*arguments: Any) -> Any:
        asked.append(arguments)
        found = real(*arguments)
        return [place for place in found if place[1] < 3] if len(asked) < 3 else found

    monkeypatch.setattr(kafka, "partitions", growing)
    monkeypatch.setattr(consumer_module, "_LOOK_AGAIN", 0.01)
    return asked


def test_the_whole_stream_arrives_with_its_offsets(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    metrics = consumer(broker, store).run(until_end=True)
    assert len(store.applied) == len(EVENTS) and set(ids(store.applied)) == UNIQUE
    assert {p: at for p, at in store.next.items() if at} == broker.ends(TRANSACTIONS, LABELS)
    transactions = [row for kind, row in EVENTS if kind == "transaction"]
    assert metrics.read == {
        "transaction": len(transactions), "label": len(EVENTS) - len(transactions),
    }  # fmt: skip
    assert metrics.newest_known_us == max(row["known_us"] for _, row in EVENTS)
    assert (metrics.lag, metrics.dead_letters) == (0, 0)


def test_each_partition_comes_in_its_order(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store).run(until_end=True)
    for customer in {row["customer_id"] for kind, row in EVENTS if kind == "transaction"}:
        one = [r for k, r in EVENTS if k == "transaction" and r["customer_id"] == customer]
        assert one == [row for _, row in store.applied if row.get("customer_id") == customer]


def test_no_batch_is_larger_than_asked_for(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store, batch=7).run(until_end=True)
    assert max(store.batches) <= 7 and len(store.applied) == len(EVENTS)


def test_it_goes_on_where_the_store_stands(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS[:100])
    consumer(broker, store).run(until_end=True)
    broker.send_all(EVENTS[100:])
    consumer(broker, store, group="another").run(until_end=True)
    assert len(store.applied) == len(EVENTS)


def test_offsets_of_the_group_are_told_and_never_read(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store, group="watched").run(until_end=True)
    group = Consumer({"bootstrap.servers": broker.servers, "group.id": "watched"})
    told = group.committed([TopicPartition(*place) for place in store.next], timeout=5)
    group.close()
    assert {(t.topic, t.partition): t.offset for t in told} == store.next
    fresh = ListStore()
    consumer(broker, fresh, group="watched").run(until_end=True)
    assert len(fresh.applied) == len(EVENTS)


def test_broken_messages_become_dead_letters_and_the_rest_goes_on(
    broker: Broker, store: ListStore
) -> None:
    broker.send_all(EVENTS[:50])
    broker.send(TRANSACTIONS, b"no JSON", key="k")
    broker.send(LABELS, {"label_id": 1, "transaction_id": 2, "fraud": 3, "known_us": 1})
    broker.send_all(EVENTS[50:])
    metrics = consumer(broker, store).run(until_end=True)
    assert len(store.applied) == len(EVENTS) and metrics.dead_letters == 2
    letters = {dict(m.headers())["topic"]: m for m in broker.read(DEAD, 2)}
    assert letters[b"card-transactions"].value() == b"no JSON"
    assert b"not JSON" in dict(letters[b"card-transactions"].headers())["reason"]
    assert b"3 is not an allowed value" in dict(letters[b"fraud-labels"].headers())["reason"]


def test_dead_letters_in_a_file(broker: Broker, store: ListStore, tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    broker.send(TRANSACTIONS, b"one")
    broker.send(TRANSACTIONS, b"two")
    broker.flush()
    consumer(broker, store, dead_letters={"file": str(path)}).run(until_end=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["value"] for line in lines) == ["one", "two"]
    # only broken messages came; the store's offsets moved past them all the same
    assert sum(store.next.values()) == 2 and store.applied == []


def test_an_event_that_the_store_refuses_stops_nobody_else(
    broker: Broker, store: ListStore
) -> None:
    store.refuse = lambda row: EventError("13!") if row["transaction_id"] == 13 else None
    broker.send_all(EVENTS)
    broker.send(LABELS, b"no JSON either")
    broker.flush()
    metrics = consumer(broker, store).run(until_end=True)
    refused = [row for _, row in EVENTS if row["transaction_id"] == 13]
    assert len(store.applied) == len(EVENTS) - len(refused) > 0
    assert metrics.dead_letters == len(refused) + 1
    reasons = [dict(m.headers())["reason"] for m in broker.read(DEAD, len(refused) + 1)]
    assert sum(b"the store refuses it: 13!" in reason for reason in reasons) == len(refused)


def test_a_store_that_fails_stops_the_stream_and_nothing_is_lost(
    broker: Broker, store: ListStore
) -> None:
    broker.send_all(EVENTS)
    store.refuse = lambda _: OSError("no space left on device") if store.batches[3:] else None
    with pytest.raises(OSError, match="no space left"):
        consumer(broker, store, batch=20).run(until_end=True)
    assert 0 < len(store.applied) < len(EVENTS)
    store.refuse = lambda _: None
    consumer(broker, store).run(until_end=True)
    assert len(store.applied) == len(EVENTS)


def test_without_a_place_for_dead_letters_the_offsets_stay(
    broker: Broker, store: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise DeadLetterError("full")

    broker.send(TRANSACTIONS, b"broken")
    broker.flush()
    monkeypatch.setattr(consumer_module.DeadLetterTopic, "write", full)
    with pytest.raises(DeadLetterError):
        consumer(broker, store).run(until_end=True)
    assert set(store.next.values()) == {0}


def test_it_follows_a_live_stream_until_it_is_stopped(broker: Broker, store: ListStore) -> None:
    stream = consumer(broker, store)
    thread, errors = in_thread(stream.run)
    for first in range(0, len(EVENTS), 100):
        piece = EVENTS[first : first + 100]
        many = len(store.applied) + len(piece)
        broker.send_all(piece)
        wait_until(partial(applied, store, many))
    assert thread.is_alive()
    stream.stop()
    thread.join(5)
    assert not thread.is_alive() and not errors


def test_a_broker_that_goes_away_is_waited_for(
    store: ListStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(kafka, "_LEAVE", 1.0)
    process = subprocess.Popen(
        [sys.executable, ROOT / "docs/examples/stream/local_broker.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    *_, address = [process.stdout.readline() for _ in range(3)]
    settings = stream_settings(
        parameters(address.split()[2].rstrip(";"), dead_letters={"file": str(tmp_path / "a")})
    )
    stream = StreamConsumer(store=store, settings=settings, features=FEATURES, **contracts())
    thread, errors = in_thread(stream.run)
    wait_until(lambda: len(store.applied) > 1000)
    process.kill()
    process.wait()
    thread.join(1)
    assert thread.is_alive()
    stream.stop()
    thread.join(10)
    assert not thread.is_alive() and not errors
    # each of a few connections says it once, not twenty times a second
    assert 1 <= sum("Connection refused" in message for message in caplog.messages) <= 4


def test_an_error_of_kafka_is_told_in_a_sentence(
    broker: Broker, store: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(kafka, "partitions", away)
    with pytest.raises(StreamError, match="does not go on: Local: Timed out"):
        consumer(broker, store).run()


def test_messages_that_the_broker_no_longer_has(broker: Broker, store: ListStore) -> None:
    for _ in range(12):  # the mock broker keeps about 5 MiB of a partition
        broker.send(TRANSACTIONS, b"x" * 900_000, key="one")
    broker.flush()
    place = next(place for place, end in broker.ends(TRANSACTIONS).items() if end == 12)
    store.next = {place: 1}
    with pytest.raises(StreamError, match=r"messages 1 to \d are gone.*--from-beginning"):
        consumer(broker, store).run(until_end=True)
    metrics = consumer(broker, store).run(until_end=True, from_beginning=True)
    assert 0 < metrics.dead_letters < 12 and store.next[place] == 12


def test_a_topic_that_was_made_anew(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    store.next = {(TRANSACTIONS, 0): 10_000}
    with pytest.raises(StreamError, match="goes on at offset 10000.*it was made anew"):
        consumer(broker, store).run(until_end=True)
    assert store.applied == []


@pytest.mark.parametrize("again", [EVENTS, EVENTS[::-1]], ids=["the same events", "others"])
def test_a_topic_that_was_made_anew_and_is_longer(
    broker: Broker, store: ListStore, again: list[tuple[str, Any]]
) -> None:
    broker.send_all(EVENTS[:150])
    consumer(broker, store).run(until_end=True)
    before = dict(store.next), list(store.applied)
    anew = Broker()
    anew.send_all(again + EVENTS)
    for share in (False, True):
        with pytest.raises(StreamError, match="not the one that was applied: it was made anew"):
            consumer(anew, store, share=share).run(until_end=True)
        assert (store.next, store.applied) == before
    consumer(anew, store).run(until_end=True, from_beginning=True)
    assert len(store.applied) == 150 + len(again) + len(EVENTS)
    anew.send_all(EVENTS[:10])
    consumer(anew, store).run(until_end=True)  # it knows the new one now
    assert len(store.applied) == 150 + len(again) + len(EVENTS) + 10


def test_a_topic_is_recognised_before_the_end_of_a_stream_without_news(
    broker: Broker, store: ListStore
) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store).run(until_end=True)
    store.marks = {place: at + 1 for place, at in store.marks.items()}
    with pytest.raises(StreamError, match="it was made anew"):
        consumer(broker, store).run(until_end=True)


def test_where_the_message_before_is_gone_nothing_is_compared(
    broker: Broker, store: ListStore
) -> None:
    for _ in range(12):  # the mock broker keeps about 5 MiB of a partition
        broker.send(TRANSACTIONS, b"x" * 900_000, key="one")
    broker.flush()
    place = next(place for place, end in broker.ends(TRANSACTIONS).items() if end == 12)
    reader = Consumer({"bootstrap.servers": broker.servers, "group.id": "low"})
    low, _ = reader.get_watermark_offsets(TopicPartition(*place))
    reader.close()
    store.next, store.marks = {place: low}, {mark_place(place): 1}
    metrics = consumer(broker, store).run(until_end=True)
    assert metrics.dead_letters == 12 - low > 0


def test_from_the_beginning_everything_comes_again(broker: Broker, store: ListStore) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store).run(until_end=True)
    consumer(broker, store).run(until_end=True, from_beginning=True)
    assert len(store.applied) == 2 * len(EVENTS) and set(ids(store.applied)) == UNIQUE


def test_an_empty_partition_has_an_offset_from_the_start(broker: Broker, store: ListStore) -> None:
    """Else what comes and is deleted before the first message is read would be missed unseen."""
    consumer(broker, store).run(until_end=True)
    assert store.next == {(topic, p): 0 for topic in (TRANSACTIONS, LABELS) for p in range(4)}


def test_reading_anew_does_not_begin_again_with_each_look_for_partitions(
    broker: Broker, store: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.send_all(EVENTS)
    consumer(broker, store).run(until_end=True)
    let_a_partition_be_added(monkeypatch)
    stream = consumer(broker, store)
    thread, errors = in_thread(lambda: stream.run(from_beginning=True))
    wait_until(lambda: len(stream.partitions) == 8 and len(store.applied) >= 2 * len(EVENTS))
    stream.stop()
    thread.join(5)
    assert not errors and len(store.applied) == 2 * len(EVENTS)


def test_partitions_that_are_added_later_are_found(
    broker: Broker, store: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.send_all(EVENTS)
    asked = let_a_partition_be_added(monkeypatch)
    stream = consumer(broker, store)
    thread, errors = in_thread(stream.run)
    wait_until(lambda: len(store.applied) == len(EVENTS))
    stream.stop()
    thread.join(5)
    assert not errors and len(asked) >= 3


def test_a_refusal_while_partitions_are_handed_out_is_heard(
    broker: Broker, store: ListStore
) -> None:
    broker.send_all(EVENTS)
    store.next = {(TRANSACTIONS, 0): 10_000}
    with pytest.raises(StreamError, match="it was made anew"):
        consumer(broker, store, share=True).run()


def test_columns_that_the_statistics_read_must_be_required(broker: Broker) -> None:
    known = contracts()
    columns = dict(known["transactions"].columns)
    columns["terminal_id"] = replace(columns["terminal_id"], required=False)
    known["transactions"] = replace(known["transactions"], columns=columns)
    settings = stream_settings(parameters(broker.servers))
    with pytest.raises(ValueError, match="must have, and require, terminal_id"):
        StreamConsumer(store=ListStore(), settings=settings, features=FEATURES, **known)  # type: ignore[arg-type]


@pytest.mark.slow
def test_members_of_a_group_share_the_stream_and_take_over(
    broker: Broker, store: ListStore
) -> None:
    """Two consumers on one store; one leaves, the other takes its partitions from the store."""
    properties = {**parameters("")["properties"], "session.timeout.ms": 6000}
    pair = [consumer(broker, store, share=True, properties=properties) for _ in range(2)]
    threads = [in_thread(stream.run) for stream in pair]
    places = {(topic, partition) for topic in (TRANSACTIONS, LABELS) for partition in range(4)}

    def shared() -> bool:
        one, two = (set(stream.partitions) for stream in pair)
        return bool(one) and bool(two) and one | two == places and not one & two

    wait_until(shared)
    broker.send_all(EVENTS[:200])
    wait_until(lambda: set(ids(store.applied)) >= set(ids(EVENTS[:200])))
    pair[0].stop()
    threads[0][0].join(10)
    broker.send_all(EVENTS[200:])
    wait_until(lambda: set(ids(store.applied)) == UNIQUE)
    pair[1].stop()
    threads[1][0].join(10)
    assert not threads[0][1] and not threads[1][1]
    assert {p: at for p, at in store.next.items() if at} == broker.ends(TRANSACTIONS, LABELS)
