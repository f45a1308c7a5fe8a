"""A version of a dataset is visible whole or not at all, whatever stops its writer.

A writer fills ``<filepath>/.writing-<random>/<version>/`` and then renames that folder to
``<filepath>/<version>/``: one step of the filesystem. Kedro looks for versions in
``<filepath>/*/<name>``, one level higher than a draft lies, so none is ever listed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, CachedDataset, DatasetError, Version

DRAFTS = ".writing-"


class StorageError(DatasetError):
    """A version could not be saved: the disk is full, or its folder may not be written."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
# Engines have errors of their own and quote the system's words.
_FULL_WORDS = ("no space left on device", "disk is full", "disk quota exceeded")
_FORBIDDEN_WORDS = ("read-only file system", "permission denied", "readonly database")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Where a version is written (``path``), and where it will stand (``final``)."""

    path: Path
    final: Path


def keep_versions_whole(catalog: Any) -> None:
    """Let every versioned local dataset that ``catalog`` hands out save in one step.

    Datasets of any type, made from an entry, from a pattern or added later; remote ones keep
    their own way (an object store shows an object whole). Doing it twice changes nothing.
    """
    if "get" not in vars(catalog):
        catalog.get = partial(_get, catalog)


def _get(catalog: Any, *args: Any, **kwargs: Any) -> Any:
    return save_whole(type(catalog).get(catalog, *args, **kwargs))


def save_whole(dataset: Any) -> Any:
    """Return the same dataset; from now on its ``save`` shows a version whole or not at all."""
    inner: Any = dataset._dataset if isinstance(dataset, CachedDataset) else dataset
    if _is_local_and_versioned(inner) and not getattr(inner, "SAVES_WHOLE", False):
        # on the instance: datasets are pickled, copied and compared by their class
        inner.save = partial(_save, inner)
    return dataset


def _is_local_and_versioned(dataset: Any) -> bool:
    if not isinstance(dataset, AbstractVersionedDataset) or not dataset._version:
        return False
    protocol = getattr(dataset, "_protocol", None) or "file"
    return protocol in ("file", "local") and not getattr(dataset, "_fs_prefix", "")


def _save(dataset: Any, data: Any) -> None:
    dataset._clear_version_cache()
    with whole_version(dataset):
        type(dataset).save(dataset, data)


@contextlib.contextmanager
def whole_version(dataset: Any) -> Iterator[Draft]:
    """Write one version: inside, the dataset's own paths lead to a draft; after, it is visible.

    A dataset whose save has consequences of its own (an entry in the ledger) sets the class
    attribute ``SAVES_WHOLE = True``, writes inside this context, and goes on after it.
    An error inside leaves nothing. `DatasetError` when the version exists, another writer made it
    meanwhile, nothing was written, the disk is full or the folder may not be written.
    """
    if not _is_local_and_versioned(dataset):
        path = Path(str(dataset._get_save_path()))
        yield Draft(path=path, final=path)
        return
    version: str = dataset.resolve_save_version()
    final = Path(str(dataset._get_save_path()))
    with _told_plainly(final), _draft_folder(final.parents[1]) as hidden:
        draft = Draft(path=hidden / version / final.name, final=final)
        with _written_to(dataset, version, draft.path):
            yield draft
        _publish(dataset, draft)
    _remember(dataset, version)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Make a file beside its place: inside, a hidden draft; after, it is at ``path``, whole."""
    with _draft_folder(path.parent) as hidden:
        yield hidden / path.name
        _flush(hidden)
        (hidden / path.name).replace(path)
        _flush_one(path.parent)


def withdraw(draft: Draft) -> None:
    """Take a version back that was made visible, when what had to follow failed."""
    folder = draft.final.parent
    if draft.path == draft.final:  # not versioned: the folder holds more than this
        return
    with contextlib.suppress(OSError):
        hidden = Path(tempfile.mkdtemp(prefix=DRAFTS, dir=folder.parent))
        folder.rename(hidden / folder.name)
        shutil.rmtree(hidden)


@contextlib.contextmanager
def _draft_folder(dataset_folder: Path) -> Iterator[Path]:
    """A locked, hidden folder beside the versions; gone afterwards, whatever happened."""
    sweep(dataset_folder)
    hidden, lock = locked_folder(dataset_folder)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(lock)
        with contextlib.suppress(OSError):
            dataset_folder.rmdir()  # only where it holds no version


def locked_folder(parent: Path, prefix: str = DRAFTS) -> tuple[Path, int]:
    """Make a hidden folder and hold its lock, which the system lets go when this process dies."""
    while True:
        parent.mkdir(parents=True, exist_ok=True)
        try:
            hidden = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            lock = os.open(hidden, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another writer cleared up in between
        with contextlib.suppress(OSError):  # a filesystem without locks: then nobody sweeps either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if hidden.exists():  # else it was swept before it was locked
            return hidden, lock
        os.close(lock)


def sweep(parent: Path, prefix: str = DRAFTS) -> list[Path]:
    """Delete hidden folders whose makers are dead; return them.

    A living one holds a lock on its folder, in whatever process or container it runs.
    """
    return [folder for folder in sorted(parent.glob(f"{prefix}*")) if _swept(folder)]


def _swept(draft: Path) -> bool:
    try:
        lock = os.open(draft, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(draft)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


@contextlib.contextmanager
def _written_to(dataset: Any, version: str, path: Path) -> Iterator[None]:
    """Let a dataset see its new version in the draft: whatever it does while saving agrees."""
    versions, find = dataset._version, dataset._get_versioned_path

    def versioned_path(wanted: str) -> Any:
        return PurePosixPath(path) if wanted == version else find(wanted)

    dataset._version = Version(version, version)
    dataset._get_versioned_path = versioned_path
    try:
        yield
    finally:
        dataset._version = versions
        del dataset._get_versioned_path


def _publish(dataset: Any, draft: Draft) -> None:
    """Make the draft lasting, then visible, in one rename."""
    if not draft.path.exists():
        raise DatasetError(f"{dataset} wrote no {draft.final.name}: there is no version to keep.")
    _flush(draft.path.parent)
    folder = draft.final.parents[1]
    with exclusive(folder):
        _move(draft)
    _flush_one(folder)


def _move(draft: Draft) -> None:
    source, target = draft.path.parent, draft.final.parent
    if draft.final.exists():
        raise DatasetError(
            f"{draft.final} was written by another run meanwhile and stays as it is. "
            "Each run needs a version of its own: run again."
        )
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # something was put beside the version before: what makes it visible comes last
        for path in sorted(source.iterdir(), key=lambda p: p.name == draft.final.name):
            path.rename(target / path.name)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: others wait; the system lets it go when this process dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _flush(folder: Path) -> None:
    """Bring files and folders to the disk: a version that a power cut leaves is whole, too."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _flush_one(Path(parent, name))
        _flush_one(Path(parent))


def _flush_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remember(dataset: Any, version: str) -> None:
    """Leave the dataset as Kedro's own save does: the version just saved is the one loaded."""
    dataset._clear_version_cache()
    dataset._cached_save_version = version
    if dataset.resolve_load_version() != version:
        warnings.warn(
            f"Saved version {version} of {dataset}, but it loads {dataset.resolve_load_version()}: "
            "that version was asked for, or is newer.",
            stacklevel=2,
        )
        dataset._clear_version_cache()


@contextlib.contextmanager
def _told_plainly(final: Path) -> Iterator[None]:
    """Turn what the system says of a full disk or a forbidden folder into a sentence."""
    try:
        yield
    except Exception as error:
        sentence = plain_sentence(error, final)
        if sentence is None and isinstance(error, OSError):
            sentence = f"{final} was not saved: {error}"
        if sentence is None:
            raise
        raise StorageError(sentence) from error


def plain_sentence(error: BaseException, path: Path) -> str | None:
    """Say what an error means for the version at ``path``; None for errors of another kind."""
    folder = nearest_folder(path)
    what = f"version {path.parent.name} of {path.parents[1]} was not saved, nothing of it is left"
    if is_full(error):
        return (
            f"the disk is full: {what}; now {free_space(folder)}. Make room (older versions lie in "
            "the folders beside it), then run again."
        )
    if is_forbidden(error) and not os.access(folder, os.W_OK):
        return (
            f"{folder} may not be written: {what}. Let this user write there, or name another "
            "folder (`data` in conf/<env>/globals.yml), then run again."
        )
    if _is(error, (errno.EEXIST, errno.ENOTDIR), ()) and path.parents[1].is_file():
        return (
            f"{path.parents[1]} is a file, and versions need a folder of that name: {what}. Move "
            f"the file to {path.parents[1]}/<version>/{path.name}, then run again."
        )
    return None


def is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that there is no room on the disk."""
    return _is(error, _FULL, _FULL_WORDS)


def is_forbidden(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that something may not be written."""
    return _is(error, _FORBIDDEN, _FORBIDDEN_WORDS)


def free_space(folder: Path) -> str:
    """Say how much room there is, and where."""
    return f"{shutil.disk_usage(folder).free / 2**20:,.1f} MiB are free at {folder}"


def _is(error: BaseException, numbers: tuple[int, ...], words: tuple[str, ...]) -> bool:
    """Whether an error, or what caused it, has one of these numbers or says one of these words."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in numbers:
            return True
        if any(word in str(found).lower() for word in words):
            return True
        found = found.__cause__ or found.__context__
    return False


def nearest_folder(path: Path) -> Path:
    """The folder nearest to a path that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
