"""A process that has imported everything, and forks consumers that are to be killed.

Run as a module it reads jobs (one JSON object a line), forks a consumer for each, and prints the
child's process id, then how it ended: a child that starts in milliseconds can be killed a hundred
times in a minute.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.online import FeatureStore, open_store
from fin_kedro.online.consumer import StreamConsumer
from fin_kedro.online.kafka import stream_settings
from fin_kedro.online.log_store import LogStore
from fin_kedro.online.redis_store import RedisStore
from tests.conftest import ROOT
from tests.online.stream import FEATURES, contracts

# `open_store` imports these when it needs them: here, once for all children.
STORES = (LogStore, RedisStore)

# What a consumer was doing when it was killed.
STARTING, WAITING, APPLYING = 0, 1, 2


class Nursery:
    """The process with the imports, and at most one child of it at a time."""

    def __init__(self) -> None:
        """Start it, and wait until all is imported."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.online.nursery"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"
        self.child = 0

    def begin(
        self,
        *,
        stream: Mapping[str, Any],
        store: str,
        until_end: bool,
        seen: Path,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Fork a consumer; ``seen`` is a file of two bytes: what it does, how often it applied."""
        seen.write_bytes(bytes([STARTING, 0]))
        job = {
            "stream": stream,
            "store": store,
            "options": options or {},
            "until_end": until_end,
            "seen": str(seen),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        self.child = int(self._line())

    def kill(self) -> None:
        """Kill the child, as `kill -9` does."""
        with contextlib.suppress(ProcessLookupError):  # it failed by itself; its status says so
            os.kill(self.child, signal.SIGKILL)
        status = self.wait()
        assert status == -signal.SIGKILL, f"ended by itself with {status}; stderr says why"

    def wait(self) -> int:
        """Wait for the child; returns its exit status, negative for a signal."""
        return int(self._line())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _consume(job: Mapping[str, Any]) -> None:
    with (
        Path(job["seen"]).open("r+b") as file,
        open_store(job["store"], FEATURES, **job["options"]) as store,
    ):
        seen = mmap.mmap(file.fileno(), 2)
        consumer = StreamConsumer(
            store=_Watched(store, seen),  # type: ignore[arg-type]
            settings=stream_settings(job["stream"]),
            features=FEATURES,
            **contracts(),
        )
        consumer.run(until_end=job["until_end"])


class _Watched:
    """A store that says when it is applying."""

    def __init__(self, store: FeatureStore, seen: mmap.mmap) -> None:
        self._store, self._seen = store, seen

    def offsets(self) -> Any:
        return self._store.offsets()

    def apply(self, *arguments: Any) -> Any:
        self._seen[0] = APPLYING
        result = self._store.apply(*arguments)
        self._seen[0], self._seen[1] = WAITING, min(self._seen[1] + 1, 255)
        return result


def _main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _consume(json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _main()
