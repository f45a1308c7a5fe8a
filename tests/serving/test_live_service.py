"""The fraud service over HTTP: a real bento with the embedded store, served as users serve it."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.windows import HOUR
from fin_kedro.online import open_store
from fin_kedro.serving.release import ReleasedBento
from tests.needs import redis_url

from .conftest import Server, served, wait_until_ready
from .tiny_live import COUNT, FRAUDS, START, expected, transaction

relaxed = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = itertools.count(1_000_000, 1_000)  # each test has customers and ids of its own


@pytest.fixture
def own() -> int:
    """A number from which a test may take a thousand ids, customers and terminals."""
    return next(numbers)


def score(client: httpx.Client, *rows: Any, **options: Any) -> httpx.Response:
    return client.post("/score", json={"transactions": list(rows), **options})


def learn(client: httpx.Client, *rows: Any) -> httpx.Response:
    return client.post("/labels", json={"labels": list(rows)})


def of(own: int, number: int, **changes: Any) -> dict[str, Any]:
    """The test's own customer's transaction, `number` hours after the start."""
    ids = {"transaction_id": own + number, "customer_id": own, "terminal_id": own}
    return transaction(number, **{**ids, **changes})


def label(row: dict[str, Any], fraud: int = 1, after: int = HOUR, **changes: Any) -> dict[str, Any]:
    told = {
        "label_id": row["transaction_id"],
        "transaction_id": row["transaction_id"],
        "fraud": fraud,
        "known_us": row["known_us"] + after,
    }
    return {**told, **changes}


def seen(client: httpx.Client, own: int) -> int:
    """How many transactions of the customer the service has counted, asked by one that is new."""
    row = of(own, 20, transaction_id=own + 999, terminal_id=own + 999)
    [found] = score(client, row, explain=True).json()["decisions"]
    return int(found["history"][COUNT]) - 1


def test_a_live_decision(live_client: httpx.Client, live_bento: ReleasedBento, own: int) -> None:
    response = score(live_client, of(own, 1), of(own, 2), explain=True)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    first, second = response.json()["decisions"]
    assert (first["transaction_id"], second["transaction_id"]) == (own + 1, own + 2)
    assert (first["history"][COUNT], second["history"][COUNT]) == (1, 2)
    for row, found in ((of(own, 1), first), (of(own, 2), second)):
        assert found["probability"] == pytest.approx(expected({**row, **found["history"]}))
        assert (found["decision"], found["threshold"]) == ("allow", 0.5)
    assert second["reasons"][0]["code"] == COUNT.upper()
    assert (first["model"]["workflow"], first["model"]["version"]) == ("fraud", "7")
    assert first["model"]["digest"][:12] == live_bento.tag.rpartition("-")[2]


def test_a_risky_one_is_blocked_and_history_comes_only_when_asked(
    live_client: httpx.Client, own: int
) -> None:
    [found] = score(live_client, of(own, 1, amount_cents=90_000)).json()["decisions"]
    assert found["decision"] == "block"
    assert list(found) == [
        "transaction_id",
        "probability",
        "decision",
        "threshold",
        "reasons",
        "model",
    ]


def test_the_same_transaction_gets_the_same_answer_and_counts_once(
    live_client: httpx.Client, own: int
) -> None:
    first = score(live_client, of(own, 1), of(own, 2), of(own, 1))
    again = score(live_client, of(own, 1), of(own, 2), of(own, 1))
    assert first.content == again.content
    assert first.json()["decisions"][0] == first.json()["decisions"][2]
    assert seen(live_client, own) == 2


def test_a_label_teaches_once_and_may_be_taken_back(live_client: httpx.Client, own: int) -> None:
    bad = of(own, 1)
    score(live_client, bad)
    assert learn(live_client, label(bad)).json() == {
        "labels": [{"label_id": own + 1, "transaction_id": own + 1, "learned": True}]
    }
    assert learn(live_client, label(bad)).json()["labels"][0]["learned"] is False

    def frauds(hours: int) -> int:
        row = of(own, hours, customer_id=own + 1)
        [found] = score(live_client, row, explain=True).json()["decisions"]
        return int(found["history"][FRAUDS])

    week = 7 * 24
    assert frauds(week + 2) == 1  # reports of the terminal count a week later
    learn(live_client, label(bad, fraud=0, after=(week + 2) * HOUR, label_id=own + 2))
    assert frauds(week + 3) == 1  # the correction became known at this moment, not before it
    assert frauds(week + 4) == 0


def test_a_label_before_its_transaction_waits(live_client: httpx.Client, own: int) -> None:
    bad = of(own, 1)
    assert learn(live_client, label(bad)).json()["labels"][0]["learned"] is True
    score(live_client, bad)
    later = of(own, 7 * 24 + 2, customer_id=own + 1)
    [found] = score(live_client, later, explain=True).json()["decisions"]
    assert found["history"][FRAUDS] == 1


few = st.integers(0, 2)
events = st.lists(
    st.tuples(
        st.integers(0, 12 * 24 * 60), st.sampled_from([0, 0, 0, 5, 600]), few, few,
        st.integers(0, 4_000_000), st.sampled_from(["none", "none", "label", "taken back"]),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@given(told=events)
@relaxed
def test_the_service_knows_what_the_store_knows(
    live_client: httpx.Client, told: list[tuple[Any, ...]]
) -> None:
    own, minute = next(numbers), 60_000_000
    with open_store("memory:", fraud_statistics) as store:
        for number, (minutes, late, customer, terminal, cents, report) in enumerate(told):
            event = START + minutes * minute
            row = of(
                own, number, event_us=event, known_us=event + late * minute,
                customer_id=own + customer, terminal_id=own + terminal, amount_cents=cents,
            )  # fmt: skip
            [found] = score(live_client, row, explain=True).json()["decisions"]
            assert found["history"] == store.score(row)
            if report != "none":
                told_label = label(row, int(report == "label"))
                assert learn(live_client, told_label).json()["labels"][0]["learned"]
                store.learn(told_label)


LONG = 2**63
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"transaction_id": None}, "transaction_id is required"),
    "a text": ({"amount_cents": "12"}, "type integer"),
    "a fraction": ({"amount_cents": 12.5}, "type integer"),
    "true": ({"customer_id": True}, "type integer"),
    "too large": ({"amount_cents": 100_000_001}, "above 100000000"),
    "seconds": ({"event_us": 1_533_728_400, "known_us": 1_533_728_400}, "below 946684800000000"),
    "off the grid": ({"place_x": -1}, "below 0"),
    "too long": ({"terminal_id": LONG}, "more than 63 bits"),
    "before it happens": ({"known_us": START}, "must not be before event_us"),
    "tomorrow's": ({"event_us": START, "known_us": 4_000_000_000_000_000}, "correct the clock"),
    "computed here": ({COUNT: 3}, "is computed here"),
    "the outcome": ({"fraud": 0}, "plays no part in a decision"),
    "misspelt": ({"amount_cent": 3}, "did you mean amount_cents?"),
    "a reference": ({"id": "x"}, "id is not a field of a transaction"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_transaction_is_explained_and_nothing_is_counted(
    live_client: httpx.Client, own: int, name: str
) -> None:
    changes, text = BAD[name]
    response = score(live_client, of(own, 1), of(own, 2, **changes), of(own, 3))
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["type"].endswith(":invalid-transaction")
    assert text in json.dumps(content["errors"])
    assert all(e["field"].startswith("/transactions/1") for e in content["errors"])
    assert seen(live_client, own) == 0


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/score", {"applications": []}, "transactions is missing"),
        ("/score", {"transactions": []}, "transactions is empty"),
        ("/score", {"transactions": [3]}, "transaction 0 must be a JSON object"),
        ("/score", {"transactions": [], "explain": "yes"}, "explain must be true or false"),
        ("/score", {"transactions": [], "explian": True}, "'transactions' and 'explain'"),
        ("/labels", {}, "labels is missing"),
        ("/labels", {"labels": [{}]}, "label_id is required"),
        ("/labels", {"labels": [{"fraud": 2}]}, "2 is not an allowed value"),
        ("/labels", {"labels": [{"fraud_type": "x"}]}, "is not a field of a label"),
    ],
)
def test_a_broken_request_is_explained(
    live_client: httpx.Client, path: str, body: Any, text: str
) -> None:
    response = live_client.post(path, json=body)
    assert response.status_code == 422
    assert text in json.dumps(response.json()["errors"])


def test_a_broken_label_teaches_nothing(live_client: httpx.Client, own: int) -> None:
    bad = of(own, 1)
    score(live_client, bad)
    broken = label(bad, fraud=7, label_id=own + 2)
    assert learn(live_client, label(bad), broken).status_code == 422
    assert learn(live_client, label(bad)).json()["labels"][0]["learned"] is True


def test_other_paths_say_where_to_go(live_client: httpx.Client) -> None:
    response = live_client.post("/decide", json={})
    assert response.status_code == 404
    assert "transactions to POST /score or labels to POST /labels" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics"])
def test_operation_endpoints(live_client: httpx.Client, path: str) -> None:
    assert live_client.get(path).status_code == 200


def test_the_page_speaks_of_transactions_and_its_examples_work(live_client: httpx.Client) -> None:
    assert "fraud: transactions in, decisions out" in live_client.get("/docs").text
    document = live_client.get("/openapi.json").json()
    text = json.dumps(document)
    assert "application" not in text.replace("application/json", "").replace(
        "application/problem+json", ""
    )
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    decision = document["components"]["schemas"]["Decision"]["properties"]
    assert decision["decision"]["enum"] == ["allow", "block"]
    assert decision["probability"]["description"] == "probability of fraud"
    for path in ("/score", "/labels"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            response = live_client.post(path, json=example["value"])
            assert response.status_code == 200, response.text


def test_concurrent_callers_count_everything_once(live_server: Server, own: int) -> None:
    rows = [of(own, i % 20, event_us=START, known_us=START + i % 20) for i in range(60)]

    async def send_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=live_server.url, timeout=60, trust_env=False
        ) as client:
            calls = (client.post("/score", json={"transactions": [row]}) for row in rows)
            return list(await asyncio.gather(*calls))

    found = asyncio.run(send_all())
    assert {response.status_code for response in found} == {200}
    for row, response in zip(rows, found, strict=True):
        assert response.json()["decisions"][0]["transaction_id"] == row["transaction_id"]
    with httpx.Client(base_url=live_server.url, timeout=30, trust_env=False) as client:
        assert seen(client, own) == 20


def test_values_stay_out_of_the_log(live_client: httpx.Client, live_server: Server) -> None:
    secret = 987_654_321_987
    row = of(secret, 1)
    score(live_client, {**row, "SECRET-NAME": 1}, {**row, "amount_cents": "SECRET-VALUE"})
    score(live_client, {**row, "known_us": START - 1})
    learn(live_client, {"transaction_id": secret, "fraud": "SECRET-VALUE"})
    text = live_server.log.read_text()
    assert "SECRET" not in text
    assert str(secret)[:-2] not in text


@pytest.mark.slow
def test_a_killed_worker_comes_back_with_all_it_answered(
    live_bento: ReleasedBento, tmp_path: Path, own: int
) -> None:
    with served(live_bento, tmp_path) as server:
        wait_until_ready(server)
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
            before = score(client, of(own, 1), of(own, 2)).json()
        for worker in psutil.Process(server.process.pid).children(recursive=True):
            if "_bentoml_impl.worker.service" in " ".join(worker.cmdline()):
                os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.5)
        wait_until_ready(server)
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
            assert score(client, of(own, 1), of(own, 2)).json() == before
            assert seen(client, own) == 2
    assert (tmp_path / "data/online/fraud").is_dir()


@pytest.mark.slow
def test_without_its_store_it_is_not_ready_and_answers_when_the_store_comes(
    live_bento: ReleasedBento, tmp_path: Path, own: int
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with served(live_bento, tmp_path, FIN_KEDRO_STORE="log:state") as server:
            _wait_until_alive(server)
            with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
                assert client.get("/readyz").status_code == 503
                for response in (score(client, of(own, 1)), learn(client, label(of(own, 1)))):
                    assert response.status_code == 503
                    assert response.headers["retry-after"] == "1"
                    assert response.json()["type"].endswith(":store-unavailable")
                assert "is open in another process" in server.log.read_text()
                fcntl.flock(lock, fcntl.LOCK_UN)
                wait_until_ready(server)
                assert score(client, of(own, 1)).status_code == 200
                assert seen(client, own) == 1


@pytest.fixture
def redis_address() -> Iterator[str]:
    """A Redis database for this test alone, empty before and after it."""
    address = f"{redis_url().rpartition('/')[0]}/13"
    client = redis.Redis.from_url(address)
    _empty(client)
    yield address
    _empty(client)


def _empty(client: redis.Redis) -> None:
    for key in client.scan_iter(match="fin_kedro:*", count=1000):
        client.delete(key)


@pytest.mark.slow
def test_workers_share_a_redis(
    live_bento: ReleasedBento, tmp_path: Path, own: int, redis_address: str
) -> None:
    rows = [of(own, i, event_us=START, known_us=START + i) for i in range(40)]

    async def send_all(url: str) -> set[int]:
        """Each transaction twice, on connections of their own, so that both workers get some."""
        async with httpx.AsyncClient(
            base_url=url, timeout=60, trust_env=False, headers={"connection": "close"}
        ) as client:
            calls = (client.post("/score", json={"transactions": [row]}) for row in rows * 2)
            return {response.status_code for response in await asyncio.gather(*calls)}

    shared = {"FIN_KEDRO_STORE": redis_address, "FIN_KEDRO_WORKERS": "2"}
    with served(live_bento, tmp_path, **shared) as server:
        wait_until_ready(server)
        assert asyncio.run(send_all(server.url)) == {200}
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert sum("_bentoml_impl.worker" in " ".join(p.cmdline()) for p in family) == 2
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
            assert seen(client, own) == 40


def _wait_until_alive(server: Server, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.url}/livez", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(server.log.read_text())
