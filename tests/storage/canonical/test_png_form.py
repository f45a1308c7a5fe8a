"""PNG: a picture is its pixels, however it was packed."""

from __future__ import annotations

from PIL import Image

from fin_kedro.storage.canonical import content_hash

from .written import PIXELS, picture, png


def test_a_picture_is_its_pixels() -> None:
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Software", "another version")
    one = content_hash(png(picture("RGBA")), ".png")
    again = png(picture("RGBA"), compress_level=1, pnginfo=note, dpi=(90, 90))
    assert content_hash(again, ".png") == one
    pixels = PIXELS.copy()
    pixels[3, 4, 0] ^= 1
    assert content_hash(png(Image.fromarray(pixels)), ".png") != one
