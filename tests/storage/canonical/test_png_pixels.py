"""Pixels decoded by nothing but Python are those that Pillow decodes."""

from __future__ import annotations

import struct
import zlib

import pytest

from fin_kedro.storage.canonical.png_form import pixels_by_pillow
from fin_kedro.storage.canonical.png_pixels import png_pixels

from .written import PIXELS, picture, png


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_pixels_decoded_here_are_those_that_pillow_decodes(mode: str) -> None:
    data = png(picture(mode), compress_level=9)
    assert png_pixels(data) == pixels_by_pillow(data)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_png_is_undone(kind: int) -> None:
    width, height = 5, 6
    lines = b"".join(bytes([kind]) + PIXELS[row, :width].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, part in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + name + part
        data += struct.pack(">I", zlib.crc32(name + part))
    assert png_pixels(data) == pixels_by_pillow(data)
