"""One run of a workflow at a time: who comes second waits, or is told who is at work.

The lock is the system's own (``flock``) on a file in the data folder. It goes when the process
ends, however it ends, so no lock is ever stale; what stands in the file is for people.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

FOLDER = ".runs"
WAIT = "FIN_KEDRO_WAIT"  # `no`: do not wait for another run of the same workflow


class RunLockError(RuntimeError):
    """Another run of the same workflow is at work, and this one was told not to wait."""


class RunLocks:
    """The locks that a run holds, one for each of its workflows.

    Args:
        data: the folder of results; runs that write to different folders do not meet.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._held: list[int] = []

    def take(self, workflows: Iterable[str], run: str, *, wait: bool = True) -> None:
        """Hold every workflow's lock, or raise RunLockError where one is taken and not waited for.

        In the order of their names, so that two runs never wait for each other.
        """
        self.release()
        try:
            for workflow in sorted(set(workflows)):
                self._take(workflow, run, wait=wait)
        except BaseException:
            self.release()
            raise

    def _take(self, workflow: str, run: str, *, wait: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{workflow}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._held.append(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = f"{workflow} is being run by {owner(path)}"
            if not wait:
                raise RunLockError(
                    f"{words}. Two runs of a workflow at a time would use up each other's place; "
                    f"run again when it has ended, or leave {WAIT} out: then this run waits."
                ) from None
            print(f"  {words}; this run begins when that one ends", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL):
                raise
            print(
                f"  {path} cannot be locked ({error.strerror}): see to it that no other run of "
                f"{workflow} is at work",
                file=sys.stderr,
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, _described(run).encode(), 0)

    def release(self) -> None:
        """Let every lock go."""
        while self._held:
            os.close(self._held.pop())


def waits() -> bool:
    """Whether a second run of a workflow waits: yes, unless FIN_KEDRO_WAIT is `no`."""
    return os.environ.get(WAIT, "yes").lower() not in ("no", "0", "false")


def owner(path: Path) -> str:
    """Who wrote a lock's file, in words."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"the run {found['run']} (process {found['pid']} on {found['host']}, begun "
            f"{found['began']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another run that has just begun"  # between its lock and its words


def _described(run: str) -> str:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"run": run, "pid": os.getpid(), "host": socket.gethostname(), "began": began}
    return json.dumps(content) + "\n"
