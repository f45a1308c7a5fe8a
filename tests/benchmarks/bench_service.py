"""The served bento against the same scorer behind plain FastAPI: throughput and processor time."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from fin_kedro.serving.release import build_bento
from tests.serving.conftest import clean_environment, free_port, release_record, serve

from .conftest import Printer

ROOT = Path(__file__).parents[2]
CONNECTIONS, SECONDS, ROUNDS = 16, 4.0, 3


@contextmanager
def running(process: subprocess.Popen[bytes], url: str) -> Iterator[psutil.Process]:
    """Wait until a server answers; end it, and only it, afterwards."""
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def processor_seconds(server: psutil.Process) -> float:
    """User and system seconds of a server and its children."""
    family = [server, *server.children(recursive=True)]
    return sum(t.user + t.system for t in (p.cpu_times() for p in family))


async def closed_loop(url: str, body: bytes) -> int:
    """Requests answered with 200 by CONNECTIONS callers that each wait for their answer."""
    until = time.monotonic() + SECONDS

    async def caller(client: httpx.AsyncClient) -> int:
        done = 0
        while time.monotonic() < until:
            answer = await client.post("/score", content=body)
            assert answer.status_code == 200, answer.text
            done += 1
        return done

    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        return sum(await asyncio.gather(*(caller(client) for _ in range(CONNECTIONS))))


def bench_service(say: Printer, tried: Path, tmp_path: Path) -> None:
    """One worker each, one application a request, 127.0.0.1, in turns."""
    [package] = tried.glob("data/06_models/credit/package/*/package")
    digest = json.loads((package / "package.json").read_text())["digest"]
    application = json.loads((package / "golden.json").read_text())[0]["application"]
    body = json.dumps({"applications": [application]}).encode()
    bento = build_bento(
        package_dir=package,
        release=release_record(digest),
        service_dir=ROOT / "bentos" / "static",
        output_dir=tmp_path / "releases",
        lock=ROOT / "requirements.lock",
    )
    ports = {"bento": free_port(), "FastAPI": free_port()}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    log = tmp_path / "bento.log"
    served = serve(bento.tag, home=bento.home, cwd=tmp_path, port=ports["bento"], log=log)
    plain = _plain(ports["FastAPI"], package, tmp_path)
    with running(served, urls["bento"]) as first, running(plain, urls["FastAPI"]) as second:
        servers = {"bento": first, "FastAPI": second}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        costs: dict[str, list[float]] = {name: [] for name in servers}
        for turn in range(ROUNDS + 1):
            for name, server in servers.items():
                before = processor_seconds(server)
                done = asyncio.run(closed_loop(urls[name], body))
                if turn:  # the first turn warms up
                    rates[name].append(done / SECONDS)
                    costs[name].append((processor_seconds(server) - before) / done)
    for name in servers:
        rate, cost = statistics.median(rates[name]), 1e6 * statistics.median(costs[name])
        say(f"{name}: {rate:.0f} requests/s, {cost:.0f} us of processor a request")
    rate, cost = (
        statistics.median(a / b for a, b in zip(found["bento"], found["FastAPI"], strict=True))
        for found in (rates, costs)
    )
    say(f"bento to FastAPI: {rate:.2f} x the requests, {cost:.2f} x the processor time")


def _plain(port: int, package: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = clean_environment(folder / "home") | {
        "FIN_KEDRO_PACKAGE": str(package),
        "FIN_KEDRO_SERVE_UNRELEASED": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    module = "tests.benchmarks.plain_service:app"
    command = [sys.executable, "-m", "uvicorn", module, "--port", str(port), "--no-access-log"]
    with (folder / "fastapi.log").open("wb") as output:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
