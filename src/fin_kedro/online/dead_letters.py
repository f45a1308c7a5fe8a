"""Where broken messages go, with the reason: a topic of their own, or a file of JSON lines.

A letter is on its way to disk (or acknowledged by the broker) before the stream's offsets move on.
A process killed in between writes it again: a letter's source topic, partition and offset tell
copies apart.
"""

from __future__ import annotations

import base64
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
import msgspec


class DeadLetterError(RuntimeError):
    """A broken message can be put nowhere; the stream stops rather than lose it."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One broken message as it came in, where it stood, and what is wrong with it."""

    topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None
    value: bytes | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; bytes that are no text are given in base64."""
        place = {"topic": self.topic, "partition": self.partition, "offset": self.offset}
        return {
            **place,
            "reason": self.reason,
            **_text("key", self.key),
            **_text("value", self.value),
        }


class DeadLetters(ABC):
    """A place for broken messages."""

    @abstractmethod
    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Put letters away for good, or raise `DeadLetterError`."""

    def close(self) -> None:  # noqa: B027 (most places have nothing to close)
        """Let go of files and connections."""


class DeadLetterFile(DeadLetters):
    """A file of JSON lines that only its owner may read: letters hold the data of customers."""

    def __init__(self, path: str | Path) -> None:
        """Open the file for appending; ``path`` is made with its folder when it is not there."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._file = os.open(self.path, flags, 0o600)
            self._end_torn_line()
        except OSError as error:
            raise DeadLetterError(f"no dead letters can be written to {path}: {error}.") from error

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Append one line a letter and have them on disk."""
        lines = b"".join(msgspec.json.encode(letter.to_dict()) + b"\n" for letter in letters)
        try:
            while lines:
                lines = lines[os.write(self._file, lines) :]
            os.fsync(self._file)
        except OSError as error:
            raise DeadLetterError(
                f"no dead letters can be written to {self.path}: {error}. Make room there, then "
                "start the stream again; it goes on where it stood."
            ) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _end_torn_line(self) -> None:
        """A process killed while it wrote left half a line; the next line starts on its own."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")


class DeadLetterTopic(DeadLetters):
    """A Kafka topic: the message's own key and value, with reason and place as headers."""

    def __init__(self, topic: str, client: Mapping[str, Any], *, seconds: float = 30.0) -> None:
        """Connect; ``client`` holds librdkafka properties, ``seconds`` bounds each write."""
        self.topic = topic
        self._seconds = seconds
        limits = {"acks": "all", "message.timeout.ms": int(seconds * 1000), "linger.ms": 0}
        self._producer = confluent_kafka.Producer({**client, **limits})

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Send letters and wait until the broker has them all."""
        failures: list[Any] = []
        for letter in letters:
            headers: dict[str, str | bytes | None] = {
                name: str(getattr(letter, name)).encode()
                for name in ("topic", "partition", "offset", "reason")
            }
            try:
                self._producer.produce(
                    self.topic,
                    key=letter.key,
                    value=letter.value,
                    headers=headers,
                    on_delivery=lambda error, _: failures.append(error) if error else None,
                )
            except confluent_kafka.KafkaException as error:  # too large, for one
                failures.append(error.args[0])
        # A little longer than the messages' own limit, so that their errors arrive first.
        left = self._producer.flush(self._seconds + 1)
        if failures or left:
            why = failures[0].str() if failures else "no answer"
            raise DeadLetterError(
                f"topic {self.topic!r} does not take dead letters: {why}. Mend the topic, or name "
                "another place in the stream's parameter dead_letters; nothing is lost meanwhile."
            )


def _text(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}
