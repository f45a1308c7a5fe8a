"""A released service, started by the command that `kedro release` prints."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUIET


def post(url: str, body: Any) -> Any:
    """Send JSON; return the JSON answer."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@contextlib.contextmanager
def serving(project: Path, command: str) -> Iterator[str]:
    """Start the printed command in a shell, on a free port of this machine only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (project / "serve.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command} --host 127.0.0.1 --port {port}"],
            cwd=project, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, **QUIET, "PATH": search},
        )  # fmt: skip
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}/readyz", project / "serve.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the service answers; fail with its log when it ends or takes over a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.3)
    pytest.fail(f"the service did not come up:\n{log.read_text()}")
