"""What stores write to files: frames that are there entirely or not at all.

A frame is a marker, its length, a checksum and its body. The body, MessagePack, holds transactions
(as records, see `fin_kedro.features.entity_state`), label versions and offsets that belong
together. The first frame of a file is its header: for which specification records were made.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fin_kedro.features.event_plan import Plan
from fin_kedro.features.fingerprints import state_fingerprint

FORMAT = 1
MARKER = b"fk\xf0\x01"
_HEAD = struct.Struct("<4sII")
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode
Offsets = Mapping[tuple[str, int], int]


class StoreError(RuntimeError):
    """A store that cannot be opened, or could not keep what it was given; says what to do."""


class Batch(NamedTuple):
    """What one frame holds; `records` are bytes of MessagePack each."""

    records: list[bytes]
    labels: list[list[Any]]  # transaction id, known, label id, 0 or 1
    offsets: list[list[Any]]  # topic, partition, next offset


def frame(body: bytes) -> bytes:
    """Return a body as a frame."""
    return _HEAD.pack(MARKER, len(body), zlib.crc32(body)) + body


def pack_batch(records: Sequence[bytes], labels: Sequence[list[Any]], offsets: Offsets) -> bytes:
    """Return a batch as a frame."""
    if len(records) == 1 and not labels and not offsets:  # what is written once a transaction
        return frame(b"\x93\x91" + records[0] + b"\x90\x90")
    raw = [msgspec.Raw(record) for record in records]
    moved = [[topic, partition, at] for (topic, partition), at in offsets.items()]
    return frame(encode((raw, labels, moved)))


def pack_header(plan: Plan) -> bytes:
    """Return the header frame of a file written for a plan."""
    told = {
        "format": FORMAT,
        "fingerprint": state_fingerprint(plan.features),
        "columns": plan.columns,
    }
    return frame(encode(told))


def check_header(plan: Plan, body: bytes, where: str) -> None:
    """Raise StoreError when a file was written for another specification, or by another program."""
    told = decode(body)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise StoreError(
            f"{where} is not in format {FORMAT} of the event store; open it with the program that "
            "wrote it, or fill a new store from history (warm start)."
        )
    check_fingerprint(plan, told["fingerprint"], where)


def check_fingerprint(plan: Plan, found: str, where: str) -> None:
    """Raise StoreError unless `found` is the fingerprint of the plan's specification."""
    ours = state_fingerprint(plan.features)
    if found != ours:
        raise StoreError(
            f"{where} was filled for the specification {found}, this one is {ours}; its states do "
            "not fit. Fill another store from history (warm start)."
        )


def read_frames(data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """Return (end, body) of each whole frame up to the first one that is not."""
    at, view = 0, memoryview(data)
    while at + _HEAD.size <= len(view):
        marker, size, checksum = _HEAD.unpack_from(view, at)
        end = at + _HEAD.size + size
        if marker != MARKER or end > len(view):
            return
        body = bytes(view[at + _HEAD.size : end])
        if zlib.crc32(body) != checksum:
            return
        yield end, body
        at = end


def holds_frame(data: bytes, start: int) -> bool:
    """Whether a whole frame begins anywhere from `start` on: then what is before it was damaged."""
    at = data.find(MARKER, start)
    while at >= 0:
        if next(read_frames(memoryview(data)[at:]), None) is not None:
            return True
        at = data.find(MARKER, at + 1)
    return False


def unpack_batch(body: bytes) -> Batch:
    """Return the batch of a frame's body."""
    return _stored(body).batch()


class _Stored(msgspec.Struct, array_like=True):
    records: list[msgspec.Raw]
    labels: list[list[Any]]
    offsets: list[list[Any]]

    def batch(self) -> Batch:
        return Batch([bytes(raw) for raw in self.records], self.labels, self.offsets)


_stored = msgspec.msgpack.Decoder(_Stored).decode
