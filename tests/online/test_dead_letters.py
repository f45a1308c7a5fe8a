"""A dead letter is put away whole, with its reason, or the stream hears that it cannot be."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fin_kedro.online.dead_letters import (
    DeadLetter,
    DeadLetterError,
    DeadLetterFile,
    DeadLetterTopic,
)
from tests.online.stream import DEAD, Broker

LETTER = DeadLetter(
    topic="cards", partition=3, offset=17, reason="no JSON", key=b"k", value=b"\xff{"
)


def test_lines_hold_place_reason_and_bytes(tmp_path: Path) -> None:
    letters = DeadLetterFile(tmp_path / "made/letters.jsonl")
    letters.write([LETTER])
    letters.close()
    line = json.loads((tmp_path / "made/letters.jsonl").read_text())
    assert line == {
        "topic": "cards", "partition": 3, "offset": 17, "reason": "no JSON", "key": "k",
        "value_base64": "/3s=",
    }  # fmt: skip


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    DeadLetterFile(tmp_path / "letters.jsonl").close()
    assert stat.S_IMODE((tmp_path / "letters.jsonl").stat().st_mode) == 0o600


def test_a_torn_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_bytes(b'{"topic": "car')
    letters = DeadLetterFile(path)
    letters.write([LETTER, LETTER])
    letters.close()
    torn, *whole = path.read_text().splitlines()
    assert torn == '{"topic": "car' and [json.loads(line)["offset"] for line in whole] == [17, 17]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeadLetterError, match="no dead letters can be written to"):
        DeadLetterFile(tmp_path / "file/letters.jsonl")


def test_a_topic_gets_the_message_as_it_came() -> None:
    broker = Broker()
    letters = DeadLetterTopic(DEAD, {"bootstrap.servers": broker.servers})
    letters.write([LETTER])
    (message,) = broker.read(DEAD, 1)
    assert (message.key(), message.value()) == (b"k", b"\xff{")
    assert dict(message.headers()) == {
        "topic": b"cards", "partition": b"3", "offset": b"17", "reason": b"no JSON",
    }  # fmt: skip


def test_a_topic_that_does_not_answer() -> None:
    letters = DeadLetterTopic(DEAD, {"bootstrap.servers": "127.0.0.1:1"}, seconds=0.3)
    with pytest.raises(DeadLetterError, match="does not take dead letters"):
        letters.write([LETTER])


def test_a_letter_too_large_for_the_topic() -> None:
    broker = Broker()
    letters = DeadLetterTopic(
        DEAD, {"bootstrap.servers": broker.servers, "message.max.bytes": 1000}
    )
    huge = DeadLetter(topic="cards", partition=0, offset=0, reason="", key=None, value=b"x" * 2000)
    with pytest.raises(DeadLetterError, match="does not take dead letters"):
        letters.write([huge])
