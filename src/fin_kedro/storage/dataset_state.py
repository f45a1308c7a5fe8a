"""A dataset as it lies on disk: its path, version, and the hashes of its content and its bytes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.storage.canonical import content_hash, file_hash

REMOTE = "not hashed: it lies on another machine"
Hashes = tuple[str, str | None, bool]  # of the content, of the bytes; whether by a form of its own


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """Where a dataset lies, in which version, and its hashes, which may still be computed."""

    path: str | None = None
    version: str | None = None
    hashes: Callable[[], Hashes]

    @property
    def content(self) -> str:
        """Hash (sha256, hex) of the content."""
        return self.hashes()[0]

    @property
    def occasion(self) -> dict[str, Any]:
        """What of it belongs to the occasion; empty for what is no dataset, as parameters are.

        ``form`` is ``own`` where the dataset itself says what of it is content.
        """
        if self.path is None:
            return {}
        _, file, own = self.hashes()
        where = {"path": self.path, "version": self.version, "file_sha256": file}
        return {**where, "form": "own"} if own else where


def known_state(content: str) -> DatasetState:
    """The state of something that lies nowhere, with the hash of its content."""
    return DatasetState(hashes=lambda: (content, None, False))


class DatasetStates:
    """States of datasets; a file that has not changed since is not read again.

    Args:
        root: project folder; paths are kept relative to it.
        executor: computes hashes of versioned files, which nobody changes, beside the run; without
            one, and for other files, they are computed at once.
    """

    def __init__(self, root: Path, executor: Executor | None = None) -> None:
        self._root, self._executor = root, executor
        self._known: dict[tuple[str, int, int], Callable[[], Hashes]] = {}

    def of(self, dataset: Any) -> DatasetState | None:
        """Return the state of a dataset that is a file or a folder; None for any other.

        A dataset's own ``content_hash()`` comes first; where it returns None, or there is none,
        the canonical form of its file counts.
        """
        find = getattr(dataset, "_get_load_path", None)
        raw = str(find() if find else getattr(dataset, "_filepath", None) or "")
        version = Path(raw).parent.name if getattr(dataset, "_version", None) else None
        where = {"path": self.relative(raw), "version": version}
        if getattr(dataset, "_protocol", None) not in ("file", "local", "", None):
            return DatasetState(**where, hashes=lambda: (REMOTE, None, False))
        if not raw or not Path(raw).exists():
            return None
        return DatasetState(**where, hashes=self._hashes(dataset, Path(raw), version))

    def _hashes(self, dataset: Any, path: Path, version: str | None) -> Callable[[], Hashes]:
        found = path.stat()
        key = (str(path), found.st_mtime_ns, found.st_size)
        if key not in self._known or (path.is_dir() and version is None):
            own = getattr(dataset, "content_hash", None)
            self._known[key] = self._computed(path, own, beside=version is not None)
        return self._known[key]

    def _computed(self, path: Path, own: Any, *, beside: bool) -> Callable[[], Hashes]:
        if beside and self._executor is not None:
            return self._executor.submit(_hash, path, own).result
        hashes = _hash(path, own)
        return lambda: hashes

    def relative(self, path: str) -> str:
        """Return a path inside the project as seen from it, any other as it is."""
        return path.removeprefix(f"{self._root.as_posix()}/")


def _hash(path: Path, own: Callable[[], str | None] | None) -> Hashes:
    found = own() if own else None
    return found or content_hash(path), file_hash(path), found is not None


class DatasetHashes:
    """Content hashes as seals have them: a dataset's own where it has one, else by suffix.

    Args:
        catalog: opened for the project; None where it cannot be.
    """

    def __init__(self, catalog: Any = None) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str, str, int, int], str] = {}

    def __call__(self, name: str, path: Path) -> str:
        """Content hash of a file or folder of the dataset `name`."""
        found = path.stat()
        key = (name, str(path), found.st_mtime_ns, found.st_size)
        if path.is_dir() or key not in self._known:
            self._known[key] = self._own(name, path) or content_hash(path)
        return self._known[key]

    def _own(self, name: str, path: Path) -> str | None:
        if self._catalog is None or name not in self._catalog:
            return None
        dataset = self._catalog.get(name)
        own = getattr(dataset, "content_hash", None)
        if own is None:
            return None
        dataset._get_load_path = lambda: path  # its hash is asked of this file
        try:
            digest: str | None = own()
        finally:
            del dataset._get_load_path
        return digest
