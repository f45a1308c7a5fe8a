"""CatBoost's own file of a model: its bytes without the id and the time of its making."""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO

# A string of a flatbuffer is its length in four bytes, its text, and zeros up to the next word.
_CBM_OCCASION = re.compile(
    rb"(?s)(.{4})([0-9a-f]{1,8}(?:-[0-9a-f]{1,8}){3}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\x00+"
)


def catboost_form(file: BinaryIO) -> str:
    """The hash of a ``.cbm`` file without what names the occasion; ValueError where it is none."""
    data = file.read()
    if not data.startswith(b"CBM1"):
        raise ValueError("not a CatBoost model")
    return hashlib.sha256(_CBM_OCCASION.sub(_blank_if_string, data)).hexdigest()


def _blank_if_string(found: re.Match[bytes]) -> bytes:
    length = int.from_bytes(found[1], "little")
    return b"" if length == len(found[2]) else found[0]
