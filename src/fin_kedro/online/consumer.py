"""Applies the stream of transactions and labels to a feature store, each message exactly once.

Kafka delivers at least once. The store commits a batch together with the offset of the next
message, and knows a transaction or label that it has seen: so after any crash the stream goes on at
the store's own offsets, and what comes twice changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from fin_kedro.contracts.model import Contract
from fin_kedro.features.event_plan import EventError, Plan
from fin_kedro.features.fingerprints import value_columns
from fin_kedro.online import kafka
from fin_kedro.online.dead_letters import DeadLetter, DeadLetterFile, DeadLetters, DeadLetterTopic
from fin_kedro.online.kafka import StreamError, StreamSettings
from fin_kedro.online.marks import Place, mark, mark_place
from fin_kedro.online.messages import BrokenMessageError, MessageReader

if TYPE_CHECKING:
    from fin_kedro.features.windows import EventFeatures
    from fin_kedro.online.store import Event, FeatureStore

logger = logging.getLogger(__name__)

# How often a consumer of all partitions looks for new ones, in seconds.
_LOOK_AGAIN = 60.0


@dataclass
class StreamMetrics:
    """What a consumer has done since it started.

    ``read`` counts messages, repeated ones included; ``newest_known_us`` is the newest time known
    among them, ``lag`` how many messages wait at the broker (None until it is known).
    """

    read: dict[str, int] = field(default_factory=lambda: {"transaction": 0, "label": 0})
    dead_letters: int = 0
    batches: int = 0
    newest_known_us: int | None = None
    lag: int | None = None

    def text(self) -> str:
        """Say it in one line, for the log."""
        return (
            f"{self.read['transaction']} transactions, {self.read['label']} labels, "
            f"{self.dead_letters} dead letters in {self.batches} batches; lag "
            f"{'unknown' if self.lag is None else self.lag}"
        )


class StreamConsumer:
    """One consumer of one stream; `run` it in a thread or process of its own, `stop` it from any.

    Args:
        store: what the events are applied to; stays open when the consumer ends.
        settings: parameters ``online.stream``, checked.
        features: the specification the store was opened with; names the columns of time.
        transactions: contract of the transactions.
        labels: contract of the labels.
        report: takes a line of text at the start, every ``report_seconds``, and at the end.
    """

    def __init__(
        self,
        *,
        store: FeatureStore,
        settings: StreamSettings,
        features: EventFeatures,
        transactions: Contract,
        labels: Contract,
        report: Callable[[str], object] = logger.info,
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self.store = store
        self.settings = settings
        self.metrics = StreamMetrics()
        self._report = report
        _check_columns(features, transactions, labels)
        self._readers = {
            settings.topics.transactions: MessageReader(kind="transaction", contract=transactions),
            settings.topics.labels: MessageReader(kind="label", contract=labels),
        }
        self._known = features.known
        self._stopping = threading.Event()
        self._consumer: Any = None
        self._dead_letters: DeadLetters | None = None
        self._next: dict[Place, int] = {}  # the partitions that are ours, and where each goes on
        self._ends: dict[Place, int] = {}  # where each ended when it became ours
        self._marks: dict[Place, int] = {}  # of the message before, which is read first
        self._anew: set[Place] | None = None  # with from_beginning: what was begun anew already
        self._due = {"look": 0.0, "report": 0.0}

    @property
    def partitions(self) -> list[Place]:
        """The partitions that this consumer reads at the moment."""
        return sorted(self._next)

    def stop(self) -> None:
        """End after the batch in hand; may be called from a signal handler or another thread."""
        self._stopping.set()

    def run(self, *, until_end: bool = False, from_beginning: bool = False) -> StreamMetrics:
        """Consume until `stop`; returns what was done.

        Args:
            until_end: end where the topics ended at the start.
            from_beginning: read all that the broker still has, whatever the store's offsets say;
                what the store knows already changes nothing.

        Raises:
            StreamError: no broker, no such topic, or messages that the broker no longer has.
            DeadLetterError: a broken message can be put nowhere.
        """
        self._anew = set() if from_beginning else None
        self._consumer = kafka.connect(self.settings)
        try:
            self._dead_letters = self._open_dead_letters()
            self._begin()
            while not self._stopping.is_set():
                self._step()
                if until_end and self._at_end():
                    break
        except KafkaException as error:
            raise StreamError(
                f"Kafka at {self.settings.servers} does not go on: {error.args[0].str()}. "
                "Start the stream again; it goes on where the store stands."
            ) from error
        finally:
            kafka.leave(self._consumer)
            if self._dead_letters is not None:
                self._dead_letters.close()
        self._report(f"stopped: {self.metrics.text()}")
        return self.metrics

    def _open_dead_letters(self) -> DeadLetters:
        place = self.settings.dead_letters
        if place.topic:
            return DeadLetterTopic(place.topic, kafka.client_properties(self.settings))
        return DeadLetterFile(str(place.file))

    # Which partitions, and from where -----------------------------------------------------------

    def _begin(self) -> None:
        if self.settings.share:
            self._consumer.subscribe(
                list(self._readers), on_assign=self._assigned, on_revoke=self._revoked,
                on_lost=self._revoked,
            )  # fmt: skip
        else:
            self._assigned(self._consumer, [TopicPartition(*place) for place in self._all()])
        now = time.monotonic()
        self._due = {"look": now + _LOOK_AGAIN, "report": now + self.settings.report_seconds}
        self._report(f"reading {', '.join(self._readers)} at {self.settings.servers}")

    def _all(self) -> list[Place]:
        return kafka.partitions(self._consumer, list(self._readers), self.settings.connect_seconds)

    def _assigned(self, consumer: Any, given: Iterable[TopicPartition]) -> None:
        """Take partitions over, each from the store's own offset."""
        stored = self.store.offsets()
        self._next, self._ends, self._marks = {}, {}, {}
        for partition in given:
            place = (partition.topic, partition.partition)
            self._next[place] = self._start(place, stored)
        # A partition has an offset even before its first message, so that none is missed unseen.
        if new := {place: at for place, at in self._next.items() if stored.get(place) != at}:
            self.store.apply([], new)
        consumer.assign(
            [
                TopicPartition(*place, at - (place in self._marks))
                for place, at in self._next.items()
            ]
        )

    def _start(self, place: Place, kept: Mapping[Place, int]) -> int:
        """Where a partition goes on; refuses an offset that the broker no longer has."""
        stored = kept.get(place)
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(*place), timeout=self.settings.connect_seconds
        )
        self._ends[place] = high
        if self._anew is not None and place not in self._anew:
            self._anew.add(place)
            return low
        if stored is None:
            return low
        if low <= stored <= high:
            if low < stored and mark_place(place) in kept:
                self._marks[place] = kept[mark_place(place)]
            return stored
        missing = f"messages {stored} to {low - 1} are gone" if stored < low else "it was made anew"
        raise _cannot_go_on(place, stored, f"the broker has {low} to {high}: {missing}")

    def _is_next(self, message: Any, place: Place) -> bool:
        """Whether it is to be applied, or the one before, read again to recognise the topic.

        Where that one is gone (by compaction, say) the next comes first, and nothing is compared.
        """
        expected, at = self._marks.pop(place, None), self._next[place]
        if expected is None or message.offset() >= at:
            return True
        if mark(message) != expected:
            raise _cannot_go_on(
                place, at, f"message {at - 1} is not the one that was applied: it was made anew"
            )
        return False

    def _revoked(self, _: Any, given: Iterable[TopicPartition]) -> None:
        """Let partitions go. No batch is in hand here: this is called while waiting for one."""
        for partition in given:
            place = (partition.topic, partition.partition)
            self._next.pop(place, None)
            self._marks.pop(place, None)

    def _look_for_new_partitions(self) -> None:
        """A topic may grow; a group hears of it, a consumer of all partitions has to look."""
        try:
            new = set(self._all()) - set(self._next)
        except KafkaException as error:  # the broker is away; so are new messages
            logger.warning("no list of partitions: %s", error)
            return
        if new:
            logger.info("new partitions: %s", sorted(new))
            places = sorted({*self._next, *new})
            self._assigned(self._consumer, [TopicPartition(*place) for place in places])

    # One batch ----------------------------------------------------------------------------------

    def _step(self) -> None:
        self._apply([message for message in self._waiting() if self._is_ours(message)])
        self.metrics.lag = self._lag()
        now = time.monotonic()
        if now >= self._due["report"]:
            self._due["report"] = now + self.settings.report_seconds
            self._report(self.metrics.text())
        if not self.settings.share and now >= self._due["look"]:
            self._due["look"] = now + _LOOK_AGAIN
            self._look_for_new_partitions()

    def _waiting(self) -> list[Any]:
        """Wait for a message; return it with those that came meanwhile, at most a batch.

        Asked for a whole batch at once, librdkafka would let the first message wait for the last.
        """
        first = self._consumer.poll(self.settings.poll_seconds)
        if first is None or self.settings.batch == 1:
            return [] if first is None else [first]
        return [first, *self._consumer.consume(self.settings.batch - 1, 0)]

    def _is_ours(self, message: Any) -> bool:
        """Whether it is a message, of a partition that was not given away in the meantime."""
        error = message.error()
        place = (message.topic(), message.partition())
        if error is None:
            return place in self._next and self._is_next(message, place)
        if error.code() == KafkaError._PARTITION_EOF:
            self._marks.pop(place, None)
            if place in self._next:  # beyond the last message there may be a transaction's marker
                self._next[place] = max(self._next[place], message.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET or error.fatal():
            raise StreamError(
                f"topic {place[0]!r}, partition {place[1]}: {error.str()}. Start the stream again; "
                "it says what is missing."
            )
        else:
            logger.warning("%s (librdkafka goes on trying)", error.str())
        return False

    def _apply(self, messages: list[Any]) -> None:
        if not messages:
            return
        good: list[tuple[Any, Event]] = []
        letters: list[DeadLetter] = []
        offsets: dict[Place, int] = {}
        last: dict[Place, Any] = {}
        for message in messages:
            reader = self._readers[message.topic()]
            try:
                good.append((message, (reader.kind, reader.read(message.value()))))
            except BrokenMessageError as error:
                letters.append(_letter(message, str(error)))
            place = (message.topic(), message.partition())
            offsets[place], last[place] = message.offset() + 1, message
        self._put_away(letters)
        marks = {mark_place(place): mark(message) for place, message in last.items()}
        self._commit(good, offsets | marks)
        self._count([event for _, event in good], offsets)

    def _commit(self, good: list[tuple[Any, Event]], offsets: dict[Place, int]) -> None:
        """Apply a batch in one step; an event that the store refuses becomes a dead letter."""
        while True:
            try:
                self.store.apply([event for _, event in good], offsets)
            except EventError as error:  # names the first event at fault; nothing has changed
                if error.position is None:
                    raise
                message, _ = good.pop(error.position)
                self._put_away([_letter(message, f"the store refuses it: {error}")])
            else:
                return

    def _put_away(self, letters: list[DeadLetter]) -> None:
        """Before the offsets move: a broken message is written twice rather than never."""
        if letters and self._dead_letters is not None:
            self._dead_letters.write(letters)
            self.metrics.dead_letters += len(letters)
            first = letters[0]
            logger.warning("%d dead letters, the first from %s[%d] at %d", len(letters),
                           first.topic, first.partition, first.offset)  # fmt: skip

    def _count(self, events: list[Event], offsets: dict[Place, int]) -> None:
        self._next.update(offsets)
        self.metrics.batches += 1
        for kind, row in events:
            self.metrics.read[kind] += 1
            known = row[self._known]
            self.metrics.newest_known_us = max(known, self.metrics.newest_known_us or known)
        if self.settings.mirror_offsets:
            self._mirror(offsets)

    # For those who watch ------------------------------------------------------------------------

    def _mirror(self, offsets: Mapping[Place, int]) -> None:
        """Tell the group, so that Kafka's own tools show the lag. The stream never reads these."""
        try:
            self._consumer.commit(
                offsets=[TopicPartition(*place, at) for place, at in offsets.items()],
                asynchronous=True,
            )
        except KafkaException as error:
            logger.debug("offsets are not mirrored: %s", error)

    def _lag(self) -> int | None:
        """Messages that wait at the broker, as of its last answer."""
        lag = 0
        for place, at in self._next.items():
            watermarks = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if watermarks is None or watermarks[1] < 0:
                return None
            lag += max(0, watermarks[1] - max(at, watermarks[0]))
        return lag

    def _at_end(self) -> bool:
        """Whether all partitions are ours to the place where they ended when they became so."""
        if not self._next or self._marks:
            return False
        return all(at >= self._ends[p] for p, at in self._next.items())


def _cannot_go_on(place: Place, stored: int, reason: str) -> StreamError:
    topic, partition = place
    return StreamError(
        f"topic {topic!r}, partition {partition}: the store goes on at offset {stored}, {reason}. "
        "Bring the store up to date from history (`kedro state warm`), then read all that the "
        "broker has once (`kedro state consume --from-beginning`)."
    )


def _check_columns(features: EventFeatures, transactions: Contract, labels: Contract) -> None:
    """Each event must carry what the features are computed from."""
    row = {name for made in features.row_values for name in value_columns(made.value)}
    needed = (
        (transactions, {*Plan(features).columns, *row}),
        (labels, {features.id, features.known, features.label, features.label_id}),
    )
    for contract, names in needed:
        required = {name for name, column in contract.columns.items() if column.required}
        if missing := sorted(names - required):
            raise ValueError(
                f"contract {contract.name} must have, and require, {', '.join(missing)}: the "
                f"features are computed from it. Required today: {', '.join(sorted(required))}."
            )


def _letter(message: Any, reason: str) -> DeadLetter:
    return DeadLetter(
        topic=message.topic(), partition=message.partition(), offset=message.offset(),
        reason=reason, key=message.key(), value=message.value(),
    )  # fmt: skip
