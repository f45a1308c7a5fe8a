"""PNG: width, height and pixels, decoded by Pillow, or here where Pillow is not installed."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from fin_kedro.storage.canonical.png_pixels import png_pixels


def png_form(file: BinaryIO) -> str:
    """The hash of width, height and RGBA bytes: not of compression, dates or the writer's name."""
    data = file.read()
    try:
        width, height, pixels = pixels_by_pillow(data)
    except ImportError:
        width, height, pixels = png_pixels(data)
    return hashlib.sha256(f"{width}x{height}\n".encode() + pixels).hexdigest()


def pixels_by_pillow(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGBA bytes of a PNG; bytes as they are where a channel has more bits.

    Raises ImportError where Pillow is not installed, ValueError for what is no PNG.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            deep = image.mode in ("I", "I;16", "I;16B", "F")
            shown = image if deep else image.convert("RGBA")
            return shown.width, shown.height, shown.tobytes()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError("not a PNG picture") from error
