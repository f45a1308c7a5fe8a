"""What was found in a source, kept by the source's own hash beside Python's compiled modules.

Reading a hundred modules takes a third of a second, and each run needs it; a module that was read
before is not read again. The key is the content, so nothing can be out of date.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

# Part of each key: another way of reading must not find what this one left.
READING = "1"


class SourceCache:
    """Findings by key, in ``<folder>/__pycache__/sources.json`` where that may be written.

    Args:
        folder: a package's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "__pycache__" / "sources.json"
        self._found: dict[str, Any] = {}
        self._new = False
        with contextlib.suppress(OSError, ValueError, TypeError):
            self._found = dict(json.loads(self._path.read_text(encoding="utf-8")))

    def key(self, source: bytes, *circumstances: str) -> str:
        """The hash (sha256, hex) of a source and of what else its findings depend on."""
        also = json.dumps([READING, *circumstances]).encode()
        return hashlib.sha256(also + b"\n" + source).hexdigest()

    def get(self, key: str) -> Any:
        """What was found for this key; None for one that is new."""
        return self._found.get(key)

    def put(self, key: str, found: Any) -> None:
        """Keep what was found (JSON-like)."""
        self._found[key] = found
        self._new = True

    def save(self) -> None:
        """Write what is new, in one step; a folder that may not be written is left alone."""
        if not self._new:
            return
        self._new = False
        draft = self._path.with_name(f"sources.json.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            draft.write_text(json.dumps(self._found), encoding="utf-8")
            draft.replace(self._path)
        for left in self._path.parent.glob("sources.json.*"):  # by a process that was killed
            with contextlib.suppress(OSError):  # of one that lives: it does without
                left.unlink()
