"""Processes of tests that are killed at work, or that write at the same time.

A server of multiprocessing forks them: it has imported what they need, so that a child starts in
milliseconds, and it has done nothing else. A worker of pytest must not be forked for that: a
client of Kafka, for one, that an earlier test left there as garbage and that is collected in a
child crashes the child, because the client's threads are not in it.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

ROOT = Path(__file__).parents[1]
SERVER = multiprocessing.get_context("forkserver")
# There is one server for all tests of a process, whoever needs it first.
SERVER.set_forkserver_preload(
    [
        "tests.storage.whole_writers",
        "tests.online.dying",
        "tests.online.test_log_store_kills",
        "tests.online.test_redis_store",
    ]
)


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a function in a child of the server."""
    child = SERVER.Process(target=target, args=arguments, daemon=True)
    paths = [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(paths)):  # for the server, if it starts
        child.start()
    return child


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
