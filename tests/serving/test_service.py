"""The service over HTTP: a real bento, served as users serve it."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.serving.release import ReleasedBento

from .conftest import Server, free_port, serve
from .test_scorer import valid_rows
from .tiny_package import expected

GOOD = {"income": 500.0, "late_payments": 2, "job": "miner"}
relaxed = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def score(client: httpx.Client, *rows: Any) -> httpx.Response:
    return client.post("/score", json={"applications": list(rows)})


def still_answers(client: httpx.Client) -> bool:
    return score(client, GOOD).status_code == 200


def test_a_decision_over_http(client: httpx.Client, bento: ReleasedBento) -> None:
    response = score(client, {**GOOD, "id": "a-1"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    [found] = response.json()["decisions"]
    assert found["probability"] == pytest.approx(expected(GOOD), abs=1e-9)
    assert (found["id"], found["decision"], found["threshold"]) == ("a-1", "decline", 0.4)
    assert found["reasons"][0] == {
        "code": "LATE",
        "column": "late_payments",
        "text": "payments were late",
        "contribution": pytest.approx(1.6),
    }
    assert (found["model"]["workflow"], found["model"]["version"]) == ("credit", "7")
    assert found["model"]["digest"][:12] == bento.tag.rpartition("-")[2]


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "malformed JSON": ({"content": b'{"applications": ['}, 400, "not valid JSON"),
    "empty body": ({"content": b""}, 422, "applications is missing"),
    "form data": ({"data": {"a": "b"}}, 415, "application/x-www-form-urlencoded"),
    "pickle": ({"content": b"x", "type": "application/vnd.bentoml+pickle"}, 415, "pickle"),
    "a bare list": ({"json": [GOOD]}, 422, "send a JSON object"),
    "no applications": ({"json": {"applications": []}}, 422, "applications is empty"),
    "too many": ({"json": {"applications": [GOOD] * 1001}}, 422, "a list of 1 to 1000"),
    "no object": ({"json": {"applications": ["x"]}}, 422, "must be a JSON object"),
    "missing field": ({"json": {"applications": [{}]}}, 422, "income is required"),
    "null": ({"json": {"applications": [{"income": None}]}}, 422, "income is required"),
    "text for a number": ({"json": {"applications": [{"income": "1"}]}}, 422, "type number"),
    "boolean": ({"json": {"applications": [{**GOOD, "late_payments": True}]}}, 422, "integer"),
    "out of range": ({"json": {"applications": [{"income": -1}]}}, 422, "below 0"),
    "not in the list": (
        {"json": {"applications": [{**GOOD, "late_payments": 4}]}},
        422,
        "not an allowed value",
    ),
    "unknown field": ({"json": {"applications": [{**GOOD, "incom": 1}]}}, 422, "mean income?"),
    "protected": ({"json": {"applications": [{**GOOD, "sex": 1}]}}, 422, "protected attribute"),
    "NaN": ({"content": b'{"applications": [{"income": NaN}]}'}, 422, "not of type number"),
    "empty required text": (
        {"content": b'{"applications": [{"income": -Infinity}]}'},
        422,
        "not of type number",
    ),
    "too large": ({"content": b" " * 3_000_000}, 413, "2097152 bytes"),
    "in chunks": ({"content": iter([b" " * 1_000_000] * 3)}, 413, "2097152 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_explained_and_the_service_stays_up(client: httpx.Client, name: str) -> None:
    arguments, status, text = BAD[name]
    kind = arguments.get("type", "application/json")
    body = {k: v for k, v in arguments.items() if k != "type"}
    headers = {"content-type": kind} if "content" in body else {}
    response = client.post("/score", headers=headers, **body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == status
    assert text in json.dumps(content)
    assert still_answers(client)


def test_wrong_method_and_unknown_path(client: httpx.Client) -> None:
    for response, status in ((client.get("/score"), 405), (client.post("/scores"), 404)):
        assert response.status_code == response.json()["status"] == status
        assert "POST /score" in response.json()["detail"]
    assert client.get("/score").headers["allow"] == "POST"


@given(rows=st.lists(valid_rows, min_size=1, max_size=5))
@relaxed
def test_any_row_the_contract_allows_gets_an_answer(
    client: httpx.Client, rows: list[dict[str, Any]]
) -> None:
    response = score(client, *rows)
    assert response.status_code == 200, response.text
    found = [item["probability"] for item in response.json()["decisions"]]
    assert found == pytest.approx([expected(row) for row in rows], abs=1e-6)


outside = st.one_of(
    st.tuples(st.just("income"), st.floats(max_value=-1e-9, allow_infinity=False)),
    st.tuples(st.just("income"), st.floats(min_value=10_000.001, allow_infinity=False)),
    st.tuples(st.just("income"), st.none() | st.text() | st.booleans() | st.lists(st.none())),
    st.tuples(st.just("late_payments"), st.integers(min_value=4) | st.integers(max_value=-1)),
    st.tuples(st.just("late_payments"), st.text() | st.booleans() | st.just({})),
    st.tuples(st.just("job"), st.integers() | st.booleans() | st.lists(st.text())),
)


@given(row=valid_rows, change=outside, place=st.integers(0, 2))
@relaxed
def test_any_row_outside_the_contract_is_a_problem_that_names_the_field(
    client: httpx.Client, row: dict[str, Any], change: tuple[str, Any], place: int
) -> None:
    rows = [GOOD, GOOD, GOOD]
    rows[place] = {**row, change[0]: change[1]}
    response = score(client, *rows)
    assert response.status_code == 422
    assert [e["field"] for e in response.json()["errors"]] == [f"/applications/{place}/{change[0]}"]


def test_concurrent_requests_get_their_own_rows_and_bad_ones_hurt_nobody(server: Server) -> None:
    shuffled = random.Random(7)
    sizes = [shuffled.choice([1, 1, 1, 2, 5, 40]) for _ in range(150)]

    def body(number: int, size: int) -> dict[str, Any]:
        return {
            "applications": [
                {"id": f"{number}-{i}", "income": float((number * 40 + i) % 10_000)}
                for i in range(size)
            ]
        }

    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        content = body(number, sizes[number])
        if number % 4 == 3:
            content["applications"][-1]["income"] = -1
        return await client.post("/score", json=content)

    async def send_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(
            base_url=server.url, limits=limits, timeout=60, trust_env=False
        ) as client:
            return list(await asyncio.gather(*(send(client, n) for n in range(len(sizes)))))

    for number, response in enumerate(asyncio.run(send_all())):
        if number % 4 == 3:
            assert response.status_code == 422
            continue
        assert response.status_code == 200, response.text
        rows = body(number, sizes[number])["applications"]
        found = response.json()["decisions"]
        assert [item["id"] for item in found] == [row["id"] for row in rows]
        assert [item["probability"] for item in found] == pytest.approx(
            [expected(row) for row in rows], abs=1e-9
        )


def test_the_page_needs_no_other_host_and_its_examples_work(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!--", "")
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"static_content/{asset}" in page.text
        assert client.get(f"/static_content/{asset}").status_code == 200
    document = client.get("/openapi.json").json()
    content = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        response = client.post("/score", json=example["value"])
        assert response.status_code == 200, response.text
    assert client.get("/").headers["location"] == "docs"


def test_every_reference_of_the_description_resolves(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert {"ScoreRequest", "Decision", "Problem"} <= names


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics"])
def test_operation_endpoints(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_values_stay_out_of_the_server_log(client: httpx.Client, server: Server) -> None:
    score(client, {"income": "SECRET-VALUE", "SECRET-NAME": 1})
    client.post("/score", json={"applications": [{**GOOD, "job": ["SECRET-JOB"]}]})
    assert "SECRET" not in server.log.read_text()


def test_it_listens_on_the_loopback_only(bento: ReleasedBento) -> None:
    import yaml

    info = yaml.safe_load((bento.path / "bento.yaml").read_text())
    assert info["services"][0]["config"]["http"]["host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("release digest", "is not the approved one"),
        ("changed model", "model.onnx was changed"),
        ("other workflow", "releases workflow 'fraud', expected 'credit'"),
        ("no approver", "lacks approved_by"),
    ],
)
def test_it_does_not_start_on_anything_but_what_was_approved(
    bento: ReleasedBento, tmp_path: Path, change: str, message: str
) -> None:
    copy = tmp_path / "bento"
    shutil.copytree(bento.path, copy)
    release = copy / "src" / "release.json"
    record = json.loads(release.read_text())
    if change == "changed model":
        model = copy / "src" / "package" / "model.onnx"
        model.write_bytes(model.read_bytes() + b"\0")
    elif change == "release digest":
        record["digest"] = "0" * 64
    elif change == "other workflow":
        record["workflow"] = "fraud"
    else:
        del record["approved_by"]
    release.write_text(json.dumps(record))
    log = tmp_path / "server.log"
    running = serve(str(copy), home=tmp_path / "home", cwd=tmp_path, port=free_port(), log=log)
    try:
        assert running.wait(timeout=60) != 0
    finally:
        running.kill()
    assert message in log.read_text()
    assert "Traceback" not in log.read_text()
