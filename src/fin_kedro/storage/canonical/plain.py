"""Hashes of bytes as they are, of a folder by its files, and of a form where there is one."""

from __future__ import annotations

import csv
import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

Form: TypeAlias = Callable[[BinaryIO], str]  # the hash of what an open file says
CHUNK = 1 << 20


class NotRecomputable(RuntimeError):  # noqa: N818 (it says what cannot be done, not what is wrong)
    """The canonical form of this content needs a library that is not here; the text names it."""


def file_hash(path: Path | str) -> str:
    """Hash (sha256, hex) of a file's bytes, or of a folder's files by sorted relative name."""
    path = Path(path)
    if path.is_dir():
        return folder_hash(path, file_hash)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def form_hash(file: BinaryIO, form: Form | None) -> str:
    """Hash (sha256, hex) by ``form``; of the bytes where there is none, or they are not of it."""
    if form is not None:
        try:
            return form(file)
        except NotRecomputable:
            raise
        except (ValueError, KeyError, IndexError, TypeError, csv.Error, struct.error, zlib.error):
            file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(CHUNK):
        digest.update(block)
    return digest.hexdigest()


def folder_hash(folder: Path, hashed: Callable[[Path], str]) -> str:
    """Hash (sha256, hex) of a folder's files by sorted relative name; ``hashed``: of each."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    lines = [f"{f.relative_to(folder).as_posix()} {hashed(f)}" for f in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
