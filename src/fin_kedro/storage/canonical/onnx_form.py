"""ONNX: the graph that is computed, whoever wrote it and when; read without a library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

# Entries that name the occasion of a model's making; CatBoost and exporters to ONNX write them.
OCCASIONS = frozenset(
    {"model_guid", "train_finish_time", "run_id", "uuid", "date", "created_at", "creation_time"}
)
_GRAPH, _METADATA = 7, 14  # numbers of fields


def onnx_form(file: BinaryIO) -> str:
    """The hash of a graph without producer, names, descriptions and dates; fields in order."""
    digest = hashlib.sha256()
    for number, value in _sorted_fields(file.read(), without={2, 3, 6}):
        if number == _METADATA and any(name in value for name in _onnx_occasions()):
            continue
        digest.update(_framed(number, _graph(value) if number == _GRAPH else value))
    return digest.hexdigest()


def _graph(message: bytes) -> bytes:
    return b"".join(_framed(n, v) for n, v in _sorted_fields(message, without={2, 10}))


def _onnx_occasions() -> list[bytes]:
    """How the key of an entry that names the occasion begins: field 1, its length, its text."""
    return [bytes([10, len(name)]) + name.encode() + b"\x12" for name in sorted(OCCASIONS)]


def _framed(number: int, value: bytes) -> bytes:
    return f"{number}:{len(value)}:".encode() + value


def _sorted_fields(message: bytes, *, without: set[int]) -> list[tuple[int, bytes]]:
    """Fields of a protobuf message by number; entries of metadata by their own bytes."""
    kept = [(n, value) for n, value in _fields(message) if n not in without]
    return sorted(kept, key=lambda field: (field[0], field[1] if field[0] == _METADATA else b""))


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and raw value of each field of a protobuf message; ValueError when it is none."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            start = place
            _, place = _varint(message, place)
        elif wire == 2:
            length, start = _varint(message, place)
            place = start + length
        elif wire in (1, 5):
            start, place = place, place + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"no protobuf message: wire type {wire}")
        if number == 0 or place > len(message):
            raise ValueError("no protobuf message: it ends inside a field")
        yield number, message[start:place]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if byte < 0x80:
            return value, place
