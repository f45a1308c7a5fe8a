"""Pixels of a PNG by nothing but Python: the inverse of its filters (PNG specification)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from fin_kedro.storage.canonical.plain import NotRecomputable

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_LOW_BYTE = (255).__and__


def png_pixels(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGBA bytes of a PNG of eight bits a channel, not interlaced.

    Raises ValueError for what is no PNG, NotRecomputable for one of another kind.
    """
    chunks = list(_png_chunks(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or interlaced or colour not in _CHANNELS:
        raise NotRecomputable("pixels of this kind of PNG need Pillow")
    packed = zlib.decompress(b"".join(part for name, part in chunks if name == b"IDAT"))
    rows = _unfiltered(packed, width * _CHANNELS[colour], _CHANNELS[colour], height)
    return width, height, _rgba(b"".join(rows), colour, dict(chunks))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG picture")
    place = 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        yield name, data[place + 8 : place + 8 + length]
        place += length + 12


def _unfiltered(packed: bytes, stride: int, step: int, height: int) -> Iterator[bytes]:
    """Lines of a PNG as they were before each was filtered (PNG specification, chapter 9)."""
    above = bytearray(stride)
    for start in range(0, height * (stride + 1), stride + 1):
        line = bytearray(packed[start + 1 : start + 1 + stride])
        _unfilter(packed[start], line, above, step)
        yield bytes(line)
        above = line


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    if kind == 2:
        line[:] = bytes(map(_LOW_BYTE, map(int.__add__, line, above)))
    elif kind in (1, 3, 4):
        undo = {1: _add_left, 3: _add_mean, 4: _add_paeth}[kind]
        for channel in range(step):
            undo(line, above, range(channel, len(line), step))


def _add_left(line: bytearray, _: bytearray, places: range) -> None:
    left = 0
    for i in places:
        line[i] = left = (line[i] + left) & 255


def _add_mean(line: bytearray, above: bytearray, places: range) -> None:
    left = 0
    for i in places:
        line[i] = left = (line[i] + (left + above[i]) // 2) & 255


def _add_paeth(line: bytearray, above: bytearray, places: range) -> None:
    """Add left, above or corner, whichever is nearest to left + above - corner."""
    left = corner = 0
    for i in places:
        up = above[i]
        to_left, to_up = up - corner, left - corner
        to_corner = abs(to_left + to_up)
        to_left, to_up = abs(to_left), abs(to_up)
        if to_left <= to_up and to_left <= to_corner:
            guess = left
        else:
            guess = up if to_up <= to_corner else corner
        line[i] = left = (line[i] + guess) & 255
        corner = up


def _rgba(pixels: bytes, colour: int, chunks: Mapping[bytes, bytes]) -> bytes:
    if colour == 6:
        return pixels
    if b"tRNS" in chunks and colour != 3:
        raise NotRecomputable("transparent colours of a PNG need Pillow")
    if colour == 3:
        palette = [chunks[b"PLTE"][i : i + 3] for i in range(0, len(chunks[b"PLTE"]), 3)]
        alpha = chunks.get(b"tRNS", b"").ljust(len(palette), b"\xff")
        table = [rgb + alpha[i : i + 1] for i, rgb in enumerate(palette)]
        return b"".join(table[index] for index in pixels)
    step = _CHANNELS[colour]
    out = bytearray(b"\xff" * (len(pixels) // step * 4))
    for channel in range(3):
        out[channel::4] = pixels[channel if colour == 2 else 0 :: step]
    if colour == 4:
        out[3::4] = pixels[1::2]
    return bytes(out)
