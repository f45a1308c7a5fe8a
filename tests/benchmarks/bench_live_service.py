"""A live transaction over HTTP, with its history, beside a credit application without one."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from fin_kedro.serving.release import ReleasedBento, build_bento
from tests.conftest import kedro
from tests.serving.conftest import free_port, release_record, serve

from .bench_service import ROOT, processor_seconds, running
from .conftest import Printer

REQUESTS, ROUNDS = 300, 5
SECOND = 1_000_000
STATISTICS = "fin_kedro.features.fraud_statistics:fraud_statistics"


def released(workflow: str, tried: Path, folder: Path) -> tuple[ReleasedBento, list[Any]]:
    """Build the bento of the candidate that a run made; also return its golden rows."""
    [package] = tried.glob(f"data/06_models/{workflow}/package/*/package")
    digest = json.loads((package / "package.json").read_text())["digest"]
    bento = build_bento(
        package_dir=package,
        release=release_record(digest, workflow=workflow),
        service_dir=ROOT / "bentos" / ("event_time" if workflow == "fraud" else "static"),
        output_dir=folder / workflow,
        lock=ROOT / "requirements.lock",
        statistics=STATISTICS if workflow == "fraud" else None,
    )
    return bento, json.loads((package / "golden.json").read_text())


def transactions(after: int) -> Iterator[bytes]:
    """Requests of one transaction each, of many cards and terminals, a second apart."""
    for i in itertools.count(1):
        moment = after + i * SECOND
        row = {
            "transaction_id": 10**12 + i,
            "event_us": moment,
            "known_us": moment,
            "customer_id": i * 7 % 5_000,
            "terminal_id": i * 11 % 10_000,
            "amount_cents": 1_000 + i * 13 % 9_000,
            "place_x": i * 17 % 100_000,
            "place_y": i * 19 % 100_000,
        }
        yield json.dumps({"transactions": [row]}).encode()


def waits(client: httpx.Client, bodies: Iterator[bytes]) -> list[float]:
    """Seconds that one caller waited for each answer."""
    found = []
    for body in itertools.islice(bodies, REQUESTS):
        start = time.perf_counter()
        answer = client.post("/score", content=body)
        found.append(time.perf_counter() - start)
        assert answer.status_code == 200, answer.text
    return found


def bench_live_service(say: Printer, tried: Path, tmp_path: Path) -> None:
    """One worker each, one row a request, one caller who waits for each answer, in turns."""
    warmed = kedro(tried, "state", "warm", "fraud")
    assert warmed.returncode == 0, warmed.stdout + warmed.stderr
    shown = json.loads(kedro(tried, "state", "show", "fraud").stdout)
    say(f"state: {shown['transactions']} transactions of {shown['horizon_days']:.0f} days")
    (credit, golden), (fraud, _) = (released(w, tried, tmp_path) for w in ("credit", "fraud"))
    application = json.dumps({"applications": [golden[0]["application"]]}).encode()
    bodies = {
        "credit": itertools.repeat(application),
        "fraud": transactions(after=shown["newest_us"]),
    }
    ports = {"credit": free_port(), "fraud": free_port()}
    start = {
        name: serve(
            bento.tag,
            home=bento.home,
            cwd=tmp_path,
            port=ports[name],
            log=tmp_path / f"{name}.log",
            FIN_KEDRO_STORE=f"log:{tried / 'data/online/fraud'}",
        )
        for name, bento in (("credit", credit), ("fraud", fraud))
    }
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with (
        running(start["credit"], urls["credit"]) as first,
        running(start["fraud"], urls["fraud"]) as second,
    ):
        servers = {"credit": first, "fraud": second}
        measured = {name: _measured(urls[name], bodies[name], servers[name]) for name in servers}
        rounds = [{name: next(m) for name, m in measured.items()} for _ in range(ROUNDS + 1)][1:]
    for name in servers:
        middle, tail, cost = (statistics.median(r[name][k] for r in rounds) for k in range(3))
        say(
            f"{name}: {middle * 1e3:.2f} ms median, {tail * 1e3:.2f} ms of 99 in 100, "
            f"{cost * 1e6:.0f} us of processor a request"
        )
    wait, cost = (statistics.median(r["fraud"][k] / r["credit"][k] for r in rounds) for k in (0, 2))
    say(f"fraud to credit: {wait:.2f} x the wait, {cost:.2f} x the processor time")


def _measured(url: str, bodies: Iterator[bytes], server: Any) -> Iterator[tuple[float, ...]]:
    """Measure a round each time it is asked: median and 99th percentile wait, processor time."""
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        while True:
            before = processor_seconds(server)
            found = waits(client, bodies)
            cost = (processor_seconds(server) - before) / REQUESTS
            yield statistics.median(found), statistics.quantiles(found, n=100)[98], cost
