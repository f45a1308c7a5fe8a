"""Processes at work on a store that are killed at some instant, or that write at the same time."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from fin_kedro.online.log_store import LogStore
from fin_kedro.online.redis_store import RedisStore
from tests.children import SERVER, start

# `open_store` imports these when it needs them: here, once for all children.
STORES = (LogStore, RedisStore)

NUMBER = struct.Struct("<I")
MOST = 150  # acknowledgements before a kill
Tell = Callable[[int], None]
Work = Callable[..., None]  # of `Tell`, then of what `killed` is given


def together(work: Callable[..., None], parts: list[tuple[Any, ...]]) -> None:
    """Let one process each do its part of the work, all at the same time."""
    processes = [start(work, *part) for part in parts]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def killed(chance: random.Random, last: int, work: Work, *arguments: Any) -> int:
    """Let a process work, kill it at some instant, and return the last number acknowledged.

    The instant is a random time after a random number of acknowledgements, however busy the
    machine is: while the log is opened and read (after the first), and during any later event.
    Nothing comes after ``last``.
    """
    awaited, data = chance.choice([1, chance.randint(2, MOST)]), b""
    with _child(work, *arguments) as (process, reader):
        while len(data) < NUMBER.size * awaited and not data.endswith(NUMBER.pack(last)):
            more = os.read(reader.fileno(), NUMBER.size)
            assert more, f"the child ended by itself after {data!r}: {_end_of(process)}"
            data += more
        time.sleep(chance.uniform(0, chance.choice([0.0003, 0.003])))
        process.kill()
        while more := os.read(reader.fileno(), 1 << 16):
            data += more
    assert len(data) % NUMBER.size == 0
    return NUMBER.unpack_from(data, len(data) - NUMBER.size)[0]  # type: ignore[no-any-return]


@contextmanager
def _child(work: Work, *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a process that works and acknowledges numbers; yields it and where they are read.

    It is killed at the end, whatever it does.
    """
    reader, writer = SERVER.Pipe(duplex=False)
    process = start(_work, writer, work, *arguments)
    writer.close()
    with reader:
        try:
            yield process, reader
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, _end_of(process)


def _work(writer: Connection, work: Work, *arguments: Any) -> None:
    tell = partial(_acknowledge, writer)
    tell(0)
    work(tell, *arguments)
    time.sleep(60)


def _acknowledge(writer: Connection, number: int) -> None:
    os.write(writer.fileno(), NUMBER.pack(number))


def _end_of(process: BaseProcess) -> str:
    process.join(10)
    if process.exitcode is None:
        return "it still runs, so what was read is not its pipe"
    return f"exit status {process.exitcode} (less than 0: a signal); stderr may say more"
