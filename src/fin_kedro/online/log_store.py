"""The embedded store: states in memory, and every event in a log before it is answered.

The log is all that is needed to have the states again, so there is no second form of them. It is
cut into segments; one that no window reaches any more is deleted whole, so that the folder stays
about as large as the events of the longest window and nothing is ever rewritten.

What survives: with ``sync="os"`` (the default) an acknowledged event survives a process that is
killed at any instant, as the operating system has it; a power cut or a crash of the machine may
lose the last seconds. With ``sync="always"`` it survives that too, for a disk write per call.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from fin_kedro.features.entity_state import Record
from fin_kedro.features.windows import EventFeatures
from fin_kedro.online.frames import (
    Offsets,
    StoreError,
    check_header,
    decode,
    holds_frame,
    pack_batch,
    pack_header,
    read_frames,
    unpack_batch,
)
from fin_kedro.online.garbage import without_collecting
from fin_kedro.online.memory_store import MemoryStore
from fin_kedro.online.snapshots import sync_folder

SEGMENT = 16 << 20  # bytes: about 200,000 transactions
RESTORING = "restoring"  # a file that is there while a snapshot is restored
logger = logging.getLogger(__name__)


class _Segment:
    """A file of the log, and the moment before which all that it holds can be forgotten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.newest = -(1 << 62)


class LogStore(MemoryStore):
    """A folder with a log; one process at a time may have it open.

    ``sync``: "os" or "always", see above. ``segment_bytes``: size at which a new file is begun.
    """

    def __init__(
        self,
        features: EventFeatures,
        path: str | os.PathLike[str],
        *,
        sync: Literal["os", "always"] = "os",
        segment_bytes: int = SEGMENT,
        **options: Any,
    ) -> None:
        super().__init__(features, **options)
        if sync not in ("os", "always"):
            raise StoreError(f"sync is {sync!r}; allowed: 'os', 'always'.")
        if not os.fspath(path):
            raise StoreError("a log needs a folder; write log:FOLDER.")
        self.folder, self.sync, self.segment_bytes = Path(path), sync, segment_bytes
        self._file, self._size, self._broken = -1, 0, ""
        self._segments: list[_Segment] = []
        self._awaiting: dict[Any, list[_Segment]] = {}  # id -> where labels stand that wait for it
        self._held = _hold(self.folder)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the log and let another process open it."""
        with self._lock:
            for number in (self._file, self._held):
                if number >= 0:
                    os.close(number)
            self._file = self._held = -1
            self._broken = self._broken or f"{self.folder} is closed; open it again."

    def statistics(self) -> dict[str, int]:
        """See `FeatureStore.statistics`; with the size of the log."""
        with self._lock:
            held = sum(segment.path.stat().st_size for segment in self._segments)
            return super().statistics() | {"log_bytes": held, "log_segments": len(self._segments)}

    def _commit(
        self, records: Sequence[bytes], labels: Sequence[list[Any]], offsets: Offsets
    ) -> None:
        if self._size > self.segment_bytes:
            self._rotate()
        self._write(pack_batch(records, labels, offsets))

    def _write(self, data: bytes) -> None:
        """Append a frame, or raise StoreError and have nothing of it in the log."""
        if self._broken:
            raise StoreError(self._broken)
        self._check()
        start = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, data)
            while written < len(data):  # a disk that fills up takes a part
                written += os.write(self._file, memoryview(data)[written:])
            if self.sync == "always":
                os.fdatasync(self._file)
        except BaseException as error:
            self._take_back(start)
            if not isinstance(error, OSError):
                raise
            raise StoreError(
                f"an event could not be written to {self._segments[-1].path}: {error}. It was not "
                "counted; make room or mend the disk, then send it again."
            ) from error
        self._size = start + len(data)

    def _take_back(self, start: int) -> None:
        try:
            os.ftruncate(self._file, start)
        except OSError as error:
            self._broken = f"the log in {self.folder} is in doubt ({error}); open it again."

    def _add(self, record: Record, packed: bytes) -> None:
        super()._add(record, packed)
        for segment in self._awaiting.pop(record[0], ()):  # a label is needed as long as its own
            segment.newest = max(segment.newest, record[2])

    def _take_label(self, identity: Any, version: list[Any]) -> bool:
        news = super()._take_label(identity, version)
        if news and identity not in self._records:
            self._segments[-1].newest = max(self._segments[-1].newest, version[0])
            self._awaiting.setdefault(identity, []).append(self._segments[-1])
        return news

    def _stop_waiting(self, identity: Any, limit: int) -> None:
        super()._stop_waiting(identity, limit)
        if identity not in self._labels:
            self._awaiting.pop(identity, None)

    # ---- segments

    def _rotate(self) -> None:
        """Begin a segment, and delete those that nothing can be counted from any more."""
        try:
            os.fdatasync(self._file)
            self._end_segment()
            self._begin()
        except OSError as error:
            raise StoreError(
                f"no new segment could be begun in {self.folder}: {error}. Nothing was counted; "
                "make room or mend the disk, then send the event again."
            ) from error
        limit = self._limit()
        while len(self._segments) > 1 and self._segments[0].newest < limit:
            self._segments[0].path.unlink(missing_ok=True)
            del self._segments[0]

    def _end_segment(self) -> None:
        self._segments[-1].newest = max(self._segments[-1].newest, self._newest)

    def _begin(self) -> None:
        """Begin the next segment: it appears with its header and the present offsets, or not."""
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        path = self.folder / f"{number:012d}.log"
        head = pack_header(self.plan) + pack_batch([], [], self._offsets)
        part = path.with_suffix(".part")
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            if os.write(file, head) < len(head):
                raise OSError("the disk is full")
            os.fsync(file)
            part.rename(path)
            sync_folder(self.folder)
            if number == 1:
                sync_folder(self.folder.parent)
        except BaseException:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, len(head)
        self._segments.append(_Segment(path))

    # ---- restoring

    @contextlib.contextmanager
    def _filling(self) -> Iterator[None]:
        """Mark the folder while an empty store is restored: what is in it then, `_open` deletes."""
        mark = self.folder / RESTORING
        try:
            mark.touch(mode=0o600)
            sync_folder(self.folder)
            yield
            os.fdatasync(self._file)
            mark.unlink()
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError(
                f"{self.folder} could not be restored: {error}. Make room or mend the disk, then "
                "restore again."
            ) from error

    def _undo_restore(self) -> None:
        """Make the store empty again, as it was before the restore that was broken off."""
        for path in self.folder.glob("*.log"):
            path.unlink()
        sync_folder(self.folder)
        (self.folder / RESTORING).unlink()
        sync_folder(self.folder)
        logger.warning(
            "a restore into %s was broken off; the store is empty as before it, so restore again",
            self.folder,
        )

    # ---- opening

    def _open(self) -> None:
        if (self.folder / RESTORING).exists():
            self._undo_restore()
        with contextlib.suppress(FileNotFoundError):
            for part in self.folder.glob("*.part"):
                part.unlink()
        paths = sorted(self.folder.glob("*.log"))
        with without_collecting():
            for path in paths:
                self._segments.append(_Segment(path))
                size = self._read_segment(path, last=path == paths[-1])
                self._end_segment()
        if not paths:
            self._begin()
            return
        self._file = os.open(paths[-1], os.O_WRONLY | os.O_APPEND)
        if os.fstat(self._file).st_size > size:
            os.ftruncate(self._file, size)  # a frame that was being written when the process ended
            os.fsync(self._file)
        self._size = size

    def _read_segment(self, path: Path, *, last: bool) -> int:
        """Take what a segment holds; return where its last whole frame ends."""
        data = path.read_bytes()
        end = 0
        for number, (stop, body) in enumerate(read_frames(data)):
            if number == 0:
                check_header(self.plan, body, str(self.folder))
            else:
                self._replay(body)
            end = stop
        if not end or (end < len(data) and (not last or holds_frame(data, end + 1))):
            raise StoreError(
                f"{path} is damaged at byte {end} of {len(data)}. Restore a snapshot into a new "
                "folder, or fill a new store from history (warm start)."
            )
        return end

    def _replay(self, body: bytes) -> None:
        batch = unpack_batch(body)
        for packed in batch.records:
            record = tuple(decode(packed))
            if self._is_new(record):
                self._add(record, packed)
        for identity, *version in batch.labels:
            self._take_label(identity, version)
        self._offsets.update({(topic, part): at for topic, part, at in batch.offsets})


def _hold(folder: Path) -> int:
    """Make the folder ours until the process ends, or raise StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"{folder} cannot be used as a store: {error}.") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(number, 20, 0).decode() or "unknown"
        os.close(number)
        raise StoreError(
            f"{folder} is open in another process (id {holder}); one at a time may write to it. "
            "Several processes share a Redis store: redis://HOST:PORT/DB."
        ) from None
    os.ftruncate(number, 0)
    os.pwrite(number, str(os.getpid()).encode(), 0)
    return number
