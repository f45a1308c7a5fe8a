"""CSV: commas and quotes as RFC 4180 has them, quotes only where needed, lines ended by \\n."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import BinaryIO

from fin_kedro.storage.canonical.plain import CHUNK


def csv_form(file: BinaryIO) -> str:
    """The hash of rows and fields; not of a byte-order mark, needless quotes or line ends."""
    return _plain_csv(file) or _quoted_csv(file)


def _plain_csv(file: BinaryIO) -> str | None:
    """The hash of a file without quotes, read as bytes; None when there are any."""
    digest, held, last = hashlib.sha256(), b"", b""
    first = file.read(3)
    held = b"" if first == b"\xef\xbb\xbf" else first
    while block := file.read(CHUNK):
        block, held = held + block, b""
        if block.endswith(b"\r"):
            block, held = block[:-1], b"\r"
        lines = block.replace(b"\r\n", b"\n")
        if b'"' in lines or b"\r" in lines:
            return None
        digest.update(lines)
        last = lines[-1:] or last
    rest = held.replace(b"\r\n", b"\n")
    if b'"' in rest or b"\r" in rest:
        return None
    digest.update(rest)
    last = rest[-1:] or last
    digest.update(b"" if last in (b"", b"\n") else b"\n")
    return digest.hexdigest()


def _quoted_csv(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        for row in csv.reader(text):
            line = ",".join(_field(value) for value in row) if row != [""] else '""'
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    finally:
        text.detach()
    return digest.hexdigest()


def _field(value: str) -> str:
    quoted = any(mark in value for mark in ',"\r\n')
    return '"' + value.replace('"', '""') + '"' if quoted else value
