"""What tests need from the machine: where it is missing they say what to install, or fail.

`FIN_KEDRO_REQUIRE=java,redis` names what must be there: then a test that would be skipped fails.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE = "FIN_KEDRO_REQUIRE"
INSTALL = {
    "java": "a Java runtime, 17 or newer (Debian: openjdk-17-jre-headless)",
    "redis": "a Redis server (Debian: redis-server)",
    "tools": "the tools of .ci/tools.lock (make tools)",
}
NAMED = "FIN_KEDRO_TEST_REDIS"  # the address of a Redis whose databases 9 and 13 tests may use
USUAL = "redis://127.0.0.1:6379/9"
TOOLS = Path(__file__).resolve().parents[1] / "build" / "tools"
_stack = contextlib.ExitStack()  # what was started for the tests of this process


def lacking(name: str, found: str) -> NoReturn:
    """Skip the test, or fail it where `FIN_KEDRO_REQUIRE` names what is lacking."""
    told = f"{found}; install {INSTALL[name]}"
    required = {each.strip() for each in os.environ.get(REQUIRE, "").split(",")} - {""}
    if unknown := sorted(required - set(INSTALL)):
        pytest.fail(f"{REQUIRE} names {unknown}; allowed: {', '.join(INSTALL)}", pytrace=False)
    if name in required:
        pytest.fail(f"{told}. {REQUIRE} does not let this test be skipped.", pytrace=False)
    pytest.skip(told)


def java() -> None:
    """Skip or fail a test where Spark cannot run."""
    if shutil.which("java") is None:
        lacking("java", "Spark needs Java: no `java` on the PATH")


def tools() -> Path:
    """Where the libraries of `.ci/tools.lock` lie, for a test that imports one of them."""
    found = next(TOOLS.glob("lib/python3.*/site-packages/over_venv.pth"), None)
    if found is None:
        lacking("tools", "build/tools is not there")
    return found.parent


@cache
def redis_url() -> str:
    """Return a Redis that answers: the one named, the machine's own, or one for these tests."""
    named = os.environ.get(NAMED)
    if _answers(named or USUAL):
        return named or USUAL
    if named:
        lacking("redis", f"no Redis answers at {named}, which {NAMED} names")
    server = shutil.which("redis-server")
    if server is None:
        lacking("redis", f"no Redis answers at {USUAL}, and no `redis-server` is on the PATH")
    return _started(server)


def stop() -> None:
    """End what was started for the tests."""
    _stack.close()
    redis_url.cache_clear()


def _answers(url: str) -> bool:
    import redis

    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=2).ping())
    except redis.RedisError:
        return False


def _started(server: str) -> str:
    """Start a Redis that keeps nothing, on a port that is free; ended by `stop`."""
    folder = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-")))
    for _ in range(3):  # another process may take the port first
        port = _free_port()
        options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": folder}
        command = [server, *(part for k, v in options.items() for part in (f"--{k}", str(v)))]
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        url = f"redis://127.0.0.1:{port}/9"
        until = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < until:
            if _answers(url):
                _stack.callback(process.wait)
                _stack.callback(process.terminate)
                return url
            time.sleep(0.02)
        process.kill()
        process.wait()
    pytest.fail(f"{server} does not start: {(folder / 'output').read_text()}", pytrace=False)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
