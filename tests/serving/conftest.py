"""Real servers for the HTTP tests: built as bentos, served from outside the repository."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fin_kedro.serving.release import ReleasedBento, build_bento

from .tiny_live import write_live
from .tiny_package import write_tiny

ROOT = Path(__file__).parents[2]
_SERVE = "from bentoml_cli.cli import cli; cli()"


@dataclass
class Server:
    """A running server."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]


def release_record(digest: str, **changes: str) -> dict[str, str]:
    """Return a complete release record."""
    record = {
        "workflow": "credit",
        "version": "7",
        "digest": digest,
        "approved_by": "a validator",
        "approved_at": "2026-11-22T09:00:00+00:00",
        "report_digest": "cd" * 32,
    }
    return {**record, **changes}


def build_tiny(folder: Path, **changes: Any) -> ReleasedBento:
    """Write the tiny package into a folder and build its bento there."""
    digest = write_tiny(folder / "package")
    return build_bento(
        package_dir=folder / "package",
        release=release_record(digest, **changes),
        service_dir=ROOT / "bentos" / "static",
        output_dir=folder / "releases",
        lock=ROOT / "requirements.lock",
    )


def build_live(folder: Path, **changes: Any) -> ReleasedBento:
    """Write the tiny fraud package into a folder and build its bento there."""
    digest = write_live(folder / "package")
    return build_bento(
        package_dir=folder / "package",
        release=release_record(digest, workflow="fraud", **changes),
        service_dir=ROOT / "bentos" / "event_time",
        output_dir=folder / "releases",
        lock=ROOT / "requirements.lock",
        statistics="fin_kedro.features.fraud_statistics:fraud_statistics",
    )


def clean_environment(home: Path) -> dict[str, str]:
    """An environment in which the repository is not on Python's path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BENTOML", "FIN_"))}
    return {**kept, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


def serve(
    target: str, *, home: Path, cwd: Path, port: int, log: Path, **environment: str
) -> subprocess.Popen[bytes]:
    """Start ``bentoml serve`` on 127.0.0.1 without the repository in sight."""
    command = [sys.executable, "-P", "-c", _SERVE, "serve", target, "--port", str(port)]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env={**clean_environment(home), **environment},
            stdout=output,
            stderr=output,
        )


@contextmanager
def served(bento: ReleasedBento, folder: Path, **environment: str) -> Iterator[Server]:
    """A bento served from a folder until the end of the block, ready or not."""
    port, log = free_port(), folder / "server.log"
    running = serve(bento.tag, home=bento.home, cwd=folder, port=port, log=log, **environment)
    try:
        yield Server(f"http://127.0.0.1:{port}", log, running)
    finally:
        running.terminate()
        running.wait(timeout=30)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def bento(tmp_path_factory: pytest.TempPathFactory) -> ReleasedBento:
    """The tiny package as a bento."""
    return build_tiny(tmp_path_factory.mktemp("bento"))


@pytest.fixture(scope="session")
def server(bento: ReleasedBento, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The bento, served."""
    with served(bento, tmp_path_factory.mktemp("served")) as found:
        wait_until_ready(found)
        yield found


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client of the server."""
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as found:
        yield found


@pytest.fixture(scope="session")
def live_bento(tmp_path_factory: pytest.TempPathFactory) -> ReleasedBento:
    """The tiny fraud package as a bento."""
    return build_live(tmp_path_factory.mktemp("live_bento"))


@pytest.fixture(scope="session")
def live_server(
    live_bento: ReleasedBento, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The fraud bento, served with a log of its own."""
    with served(live_bento, tmp_path_factory.mktemp("live")) as found:
        wait_until_ready(found)
        yield found


@pytest.fixture(scope="session")
def live_client(live_server: Server) -> Iterator[httpx.Client]:
    """An HTTP client of the fraud server."""
    with httpx.Client(base_url=live_server.url, timeout=30, trust_env=False) as found:
        yield found


def wait_until_ready(server: Server, seconds: float = 90) -> None:
    """Wait for ``GET /readyz``; RuntimeError with the server's log when it does not come up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            if httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{server.log.read_text()}")
