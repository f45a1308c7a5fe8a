"""The connection to Kafka: settings from conf, a client, and plain words for what goes wrong."""

from __future__ import annotations

import difflib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import confluent_kafka
import msgspec
from confluent_kafka import KafkaError, KafkaException

logger = logging.getLogger(__name__)
_SILENCE = 30.0  # seconds until librdkafka may say the same again
_LEAVE = 5.0  # seconds to take leave of the broker


class _WorthSaying(logging.Filter):
    """Passes what librdkafka says once in a while: it repeats "connection refused" all the time."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Refuse what was said lately, and remarks on properties of the other kind of client."""
        text = record.getMessage()
        if "will be ignored by this" in text:  # one set of properties serves readers and writers
            return False
        now, told = time.monotonic(), text.partition(" (after ")[0]
        self._said = {t: at for t, at in self._said.items() if now - at < _SILENCE}
        if told in self._said:
            return False
        self._said[told] = now
        return True


logger.addFilter(_WorthSaying())

# What the guarantees rest on is not for conf to change.
_OWN = {
    "bootstrap.servers": "servers",
    "group.id": "group",
    "auto.offset.reset": None,
    "enable.auto.commit": None,
    "enable.auto.offset.store": None,
    "enable.partition.eof": None,
    "partition.assignment.strategy": None,
}


class StreamError(RuntimeError):
    """The stream cannot start or go on; says where, why, and what to do."""


class Topics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the topics."""

    transactions: str
    labels: str


class DeadLetterPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where broken messages go: a topic, else a file of JSON lines."""

    topic: str | None = None
    file: str | None = None


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters ``online.stream`` of a workflow.

    ``share`` False: this consumer reads all partitions, for a store in one process. True: the
    members of ``group`` share the partitions, for a store that several processes use. ``batch`` is
    the most that one commit of the store takes, ``poll_seconds`` how long to wait for a message.
    ``mirror_offsets`` tells the group how far the store is, for tools that watch the lag.
    ``properties`` are librdkafka's own (security.protocol, fetch.min.bytes, ...).
    """

    servers: str
    topics: Topics
    dead_letters: DeadLetterPlace
    group: str = "fin_kedro"
    share: bool = False
    batch: int = 500
    poll_seconds: float = 0.2
    connect_seconds: float = 10.0
    report_seconds: float = 60.0
    mirror_offsets: bool = True
    properties: dict[str, str | int | float | bool] = {}

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.topics.transactions == self.topics.labels:
            raise ValueError(
                f"topics.transactions and topics.labels are both {self.topics.labels!r}; "
                "name two topics"
            )
        if bool(self.dead_letters.topic) == bool(self.dead_letters.file):
            raise ValueError("dead_letters needs either a topic or a file, and not both")
        if self.batch < 1 or self.poll_seconds <= 0 or self.connect_seconds <= 0:
            raise ValueError("batch, poll_seconds and connect_seconds must be above zero")
        for name in sorted(set(self.properties) & set(_OWN)):
            mend = f"use the parameter {_OWN[name]!r}" if _OWN[name] else "leave it out"
            raise ValueError(f"properties may not set {name!r}, which the stream sets; {mend}")


def stream_settings(parameters: Mapping[str, Any], where: str = "online.stream") -> StreamSettings:
    """Check parameters; ValueError names the parameter (under ``where``) and what is wrong."""
    try:
        return msgspec.convert(parameters, StreamSettings)
    except msgspec.ValidationError as error:
        known = ", ".join(StreamSettings.__struct_fields__)
        raise ValueError(f"parameter {where}: {error}. It takes: {known}.") from error


def client_properties(settings: StreamSettings) -> dict[str, Any]:
    """Return what every client of this stream needs to reach the brokers."""
    return {
        "bootstrap.servers": settings.servers,
        "logger": logger,
        **settings.properties,
    }


def connect(settings: StreamSettings) -> confluent_kafka.Consumer:
    """Return a consumer that reads nothing yet; raises `StreamError` when a topic is not there."""
    errors: deque[KafkaError] = deque(maxlen=10)
    try:
        consumer = confluent_kafka.Consumer(
            {
                **client_properties(settings),
                "group.id": settings.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",  # never jump over messages in silence
                "enable.partition.eof": True,
                "error_cb": errors.append,
            }
        )
    except KafkaException as error:
        raise ValueError(
            f"online.stream.properties: librdkafka says {error.args[0].str()}"
        ) from error
    try:
        metadata = _metadata(consumer, settings, errors)
        wanted = [settings.topics.transactions, settings.topics.labels, settings.dead_letters.topic]
        for topic in filter(None, wanted):
            _check_topic(topic, metadata, settings)
    except Exception:
        leave(consumer)
        raise
    return consumer


def leave(consumer: confluent_kafka.Consumer) -> None:
    """Close a consumer; does not wait longer than a few seconds for a broker that is away.

    librdkafka waits for the answer to offsets that it has sent, for minutes if need be. They are
    only a copy; and a group notices by itself that a member is gone.
    """
    closing = threading.Thread(target=consumer.close, daemon=True)
    closing.start()
    closing.join(_LEAVE)
    if closing.is_alive():
        logger.warning("the broker does not answer; left without its goodbye")


def partitions(consumer: confluent_kafka.Consumer, topics: Sequence[str], seconds: float) -> Any:
    """List all partitions of some topics, as (topic, partition)."""
    found = consumer.list_topics(timeout=seconds).topics
    return sorted((t, p) for t in topics if t in found for p in found[t].partitions)


def _metadata(consumer: Any, settings: StreamSettings, errors: Iterable[KafkaError]) -> Any:
    try:
        return consumer.list_topics(timeout=settings.connect_seconds)
    except KafkaException as error:
        consumer.poll(0)  # hands over what the connections complained about
        said = "; ".join(dict.fromkeys(e.str() for e in errors)) or error.args[0].str()
        raise StreamError(
            f"no Kafka broker answers at {settings.servers} within {settings.connect_seconds:g} s: "
            f"{said}. Check the stream's parameters servers and properties (security.protocol, "
            "sasl...), and that the broker runs."
        ) from error


def _check_topic(topic: str, metadata: Any, settings: StreamSettings) -> None:
    found = metadata.topics.get(topic)
    if found is not None and found.error is None and found.partitions:
        return
    names = sorted(name for name in metadata.topics if not name.startswith("__"))
    close = difflib.get_close_matches(topic, names, n=1)
    why = f" ({found.error.str()})" if found is not None and found.error is not None else ""
    raise StreamError(
        f"there is no topic {topic!r} at {settings.servers}{why}; "
        f"there are: {', '.join(names[:20]) or 'none'}."
        f"{f' Did you mean {close[0]!r}?' if close else ''} Create it, or correct the stream's "
        "parameters."
    )
