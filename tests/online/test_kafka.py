"""Settings are checked before anything is connected; what is missing at the broker is named."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.online import kafka
from fin_kedro.online.kafka import StreamError, stream_settings
from tests.online.stream import TRANSACTIONS, Broker, parameters

NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


def test_defaults_are_filled_in() -> None:
    settings = stream_settings(parameters(NOWHERE))
    assert (settings.batch, settings.share, settings.mirror_offsets) == (500, False, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bach": 1}, "unknown field `bach`. It takes: servers, topics"),
        ({"batch": "many"}, r"Expected `int`, got `str` - at `\$.batch`"),
        ({"batch": 0}, "must be above zero"),
        ({"topics": {"transactions": "a", "labels": "a"}}, "are both 'a'; name two topics"),
        ({"topics": {"transactions": "a"}}, "missing required field `labels`"),
        ({"dead_letters": {}}, "either a topic or a file"),
        ({"dead_letters": {"topic": "a", "file": "b"}}, "either a topic or a file"),
        ({"properties": {"group.id": "a"}}, "may not set 'group.id'.*the parameter 'group'"),
        ({"properties": {"enable.auto.commit": True}}, "'enable.auto.commit'.*leave it out"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"parameter online.stream: .*{said}"):
        stream_settings(parameters(NOWHERE, **changes))


def test_a_property_that_librdkafka_does_not_know() -> None:
    settings = stream_settings(parameters(NOWHERE, properties={"secure": "yes"}))
    with pytest.raises(ValueError, match='No such configuration property: "secure"'):
        kafka.connect(settings)


def test_no_broker() -> None:
    settings = stream_settings(parameters(NOWHERE, connect_seconds=0.3))
    said = r"no Kafka broker answers at 127.0.0.1:1 within 0.3 s: .*Connection refused"
    with pytest.raises(StreamError, match=said):
        kafka.connect(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": {"transactions": "card-transaction", "labels": "fraud-labels"}},
        {"dead_letters": {"topic": "card-transaction"}},
    ],
)
def test_an_unknown_topic_names_what_there_is(broker: Broker, changes: dict[str, Any]) -> None:
    with pytest.raises(StreamError, match="no topic 'card-transaction'") as refused:
        kafka.connect(stream_settings(parameters(broker.servers, **changes)))
    assert f"Did you mean '{TRANSACTIONS}'?" in str(refused.value)
    assert "card-dead-letters, card-transactions, fraud-labels" in str(refused.value)


def test_all_partitions_are_listed(broker: Broker) -> None:
    consumer = kafka.connect(stream_settings(parameters(broker.servers)))
    found = kafka.partitions(consumer, [TRANSACTIONS, "none"], 5)
    consumer.close()
    assert found == [(TRANSACTIONS, number) for number in range(4)]
