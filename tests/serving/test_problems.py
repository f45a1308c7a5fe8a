"""The middleware alone: what passes through, what becomes a problem, what is never logged."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pydantic
import pytest

from fin_kedro.contracts import request_model
from fin_kedro.serving.answers import Words
from fin_kedro.serving.bodies import feature_body
from fin_kedro.serving.problems import MAX_BYTES, NoValuesFilter, ProblemDetails

from .tiny_package import tiny_contract

SECRET = "a name nobody may log"
JSON = [(b"content-type", b"application/json")]
BODY = feature_body(tiny_contract(), Words())


class Rows(pydantic.BaseModel):
    """The request of these tests, as the service builds it."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    applications: list[request_model(tiny_contract())] = pydantic.Field(  # type: ignore[valid-type]
        min_length=1, max_length=1000
    )


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for BentoML: validate, and answer errors in its form."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("gone")
        body += message["body"]
        more = message["more_body"]
    try:
        Rows.model_validate_json(body)
    except pydantic.ValidationError as error:
        detail = error.errors(include_context=False, include_input=False)
        await respond(send, 400, json.dumps({"error": "x", "detail": detail}).encode())
    else:
        await respond(send, 200, b"[]")


async def respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-own", b"kept")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body[:3], "more_body": True})
    await send({"type": "http.response.body", "body": body[3:]})


def call(
    body: bytes | list[bytes] = b"",
    *,
    inner: Any = app,
    path: str = "/score",
    method: str = "POST",
    headers: list[tuple[bytes, bytes]] = JSON,
) -> tuple[list[dict[str, Any]], int, Any]:
    """Send one request through the middleware; return its messages, status and content."""
    chunks = body if isinstance(body, list) else [body]
    waiting = [
        {"type": "http.request", "body": c, "more_body": i + 1 < len(chunks)}
        for i, c in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    middleware = ProblemDetails(inner, bodies=[BODY])
    asyncio.run(middleware(scope, receive, send))
    content = b"".join(m.get("body", b"") for m in sent)
    return sent, sent[0]["status"], json.loads(content) if content else None


def problem(row: str) -> dict[str, Any]:
    """Send one application as JSON text; return the only error."""
    _, status, content = call(f'{{"applications": [{row}]}}'.encode())
    assert status == 422
    [error] = content["errors"]
    return error


def test_success_passes_untouched() -> None:
    sent, status, content = call(b'{"applications": [{"income": 1}]}')
    assert (status, content, len(sent)) == (200, [], 3)
    assert (b"x-own", b"kept") in sent[0]["headers"]


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    sent, status, content = call(b'{"applications": [{"income": -1}]}')
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]
    assert (content["status"], status) == (422, 422)
    assert set(content) == {"type", "title", "status", "detail", "instance", "errors"}
    assert content["instance"].startswith("urn:uuid:")


@pytest.mark.parametrize(
    ("row", "field", "value", "allowed", "message"),
    [
        ("{}", "income", None, "number: 0 to 10000 [EUR]", "income is required."),
        ('{"income": null}', "income", None, "0 to 10000", "income is required."),
        ('{"income": "500"}', "income", "500", "number", "'500' is not of type number."),
        ('{"income": -0.5}', "income", -0.5, "0 to 10000", "-0.5 is below 0."),
        ('{"income": 10001}', "income", 10001, "0 to 10000", "10001 is above 10000."),
        ('{"income": NaN}', "income", "NaN", "0 to 10000", "not of type number."),
        ('{"income": Infinity}', "income", "Infinity", "0 to 10000", "not of type number."),
        ('{"income": 1e999}', "income", "Infinity", "0 to 10000", "not of type number."),
        ('{"income": 1, "late_payments": true}', "late_payments", True, "integer", "not of type"),
        ('{"income": 1, "late_payments": 9}', "late_payments", 9, "3 (three or more)", "allowed"),
        ('{"income": 1, "late_payments": 1.5}', "late_payments", 1.5, "integer", "not of type"),
        (
            '{"income": 1, "late_payments": 1.0}',
            "late_payments",
            1.0,
            "integer",
            "1.0 must be written as an integer",
        ),
        (
            '{"income": 1, "late_payments": 99999999999999999999}',
            "late_payments",
            "an integer of more than 63 bits",
            "integer",
            "not an allowed value",
        ),
        ('{"income": 1, "job": {"a": 1}}', "job", '{"a": 1}', "string", "not of type string"),
        (
            '{"income": 1, "jbo": "x"}',
            "jbo",
            "x",
            "income, late_payments, job, id",
            "did you mean job?",
        ),
        (
            '{"income": 1, "Late-Payments": 1}',
            "Late-Payments",
            1,
            "late_payments",
            "did you mean late_payments?",
        ),
        ('{"income": 1, "sex": 2}', "sex", 2, "no value", "protected attribute"),
        ('{"income": 1, "default": 1}', "default", 1, "no value", "role target"),
        ('{"income": 1, "a/b~c": 1}', "a~1b~0c", 1, "income", "is not a field"),
        ('{"income": 1, "id": 5.5}', "id", 5.5, "integer, string or null", "text or an integer"),
        ('{"income": 1, "id": true}', "id", True, "integer, string or null", "text or an integer"),
        (
            '{"income": 1, "id": 9223372036854775808}',
            "id",
            "an integer of more than 63 bits",
            "integer, string",
            "as a text",
        ),
    ],
)
def test_field_value_allowed_message(
    row: str, field: str, value: Any, allowed: str, message: str
) -> None:
    error = problem(row)
    assert error["field"] == f"/applications/0/{field}"
    assert error.get("value") == value
    assert allowed in error["allowed"]
    assert message in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "field", "text"),
    [
        (b"", 400, None, "not valid JSON"),
        (b'{"applications": [', 400, None, "not valid JSON"),
        (b"\xff\xfe", 400, None, "not valid JSON"),
        (b"[" * 100_000, 400, None, "not valid JSON"),
        (b"[]", 422, "", "send a JSON object"),
        (b'"x"', 422, "", "send a JSON object"),
        (b"{}", 422, "/applications", "applications is missing"),
        (b'{"applications": {}}', 422, "/applications", "must be a list"),
        (b'{"applications": []}', 422, "/applications", "applications is empty"),
        (b'{"applications": [3]}', 422, "/applications/0", "must be a JSON object"),
        (b'{"applications": [{"income": 1}], "more": 1}', 422, "/more", "not a member"),
        (
            b'{"applications": [' + b'{"income":1},' * 1000 + b'{"income":1}]}',
            422,
            "/applications",
            "a list of 1 to 1000",
        ),
    ],
)
def test_bodies_of_another_shape(body: bytes, status: int, field: str | None, text: str) -> None:
    _, found, content = call(body)
    assert (found, content["status"]) == (status, status)
    assert text in content["detail"]
    assert [e["field"] for e in content.get("errors", ())] == ([] if field is None else [field])


def test_many_errors_are_cut_and_counted() -> None:
    _, _, content = call(b'{"applications": [' + b"{}," * 99 + b"{}]}")
    assert len(content["errors"]) == 50
    assert content["detail"] == "100 problems: income is required. The first 50 are listed."


def test_a_long_value_is_cut() -> None:
    assert len(problem(f'{{"income": "{"x" * 9999}"}}')["value"]) < 300


@pytest.mark.parametrize(
    "kind", [b"text/csv", b"multipart/form-data", b"application/vnd.bentoml+pickle"]
)
def test_another_content_type(kind: bytes) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("the body must not be parsed")

    _, status, content = call(b"x", inner=never, headers=[(b"content-type", kind)])
    assert status == 415
    assert kind.decode() in content["detail"]


def test_a_charset_is_no_other_content_type() -> None:
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    assert call(b'{"applications": [{"income": 1}]}', headers=headers)[1] == 200


def test_too_large_by_its_header_is_refused_unread_but_drained() -> None:
    headers = [*JSON, (b"content-length", str(MAX_BYTES + 1).encode())]
    assert call([b"x", b"y"], headers=headers)[1] == 413


def test_too_large_in_chunks() -> None:
    sent, status, content = call([b"x" * 1_000_000] * 4)
    assert status == 413
    assert str(MAX_BYTES) in content["detail"]
    assert [m["type"] for m in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    ("inner_status", "status"), [(429, 503), (503, 503), (504, 504), (418, 418)]
)
def test_other_errors_keep_their_meaning(inner_status: int, status: int) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, inner_status, b'{"error": "inner"}')

    sent, found, content = call(b"{}", inner=failing)
    assert (found, content["status"]) == (status, status)
    assert "inner" not in json.dumps(content)
    assert ((b"retry-after", b"1") in sent[0]["headers"]) is (status == 503)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/score", b'{"error": "store"}', "store-unavailable"),
        ("/score", b'{"error": "busy"}', "overloaded"),
        ("/readyz", b"not ready", "not-ready"),
    ],
)
def test_a_store_that_fails_is_told_from_a_service_that_is_busy(
    path: str, body: bytes, kind: str
) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 503, body)

    sent, status, content = call(b"{}", inner=failing, path=path)
    assert (status, content["type"].rpartition(":")[2]) == (503, kind)
    assert (b"retry-after", b"1") in sent[0]["headers"]


def test_an_unexpected_error_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError(SECRET)

    _, status, content = call(b"{}", inner=broken)
    assert status == 500
    assert SECRET not in json.dumps(content)
    assert SECRET not in caplog.text
    assert "ValueError in broken" in caplog.text
    assert content["instance"] in caplog.text


def test_values_and_unknown_names_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error = problem(f'{{"income": "{SECRET}"}}')
        problem(f'{{"income": 1, "{SECRET}": 1}}')
    assert error["value"] == SECRET
    assert SECRET not in caplog.text
    assert "/applications/0/income" in caplog.text


def test_the_log_filter_replaces_texts_of_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test_problems.filtered")
    logger.addFilter(NoValuesFilter())
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.exception("Exception on %s", "/score")
    logger.warning("a plain line stays")
    assert SECRET not in caplog.text
    assert "Exception on /score: ValueError in test_the_log_filter" in caplog.text
    assert "a plain line stays" in caplog.text


def test_other_protocols_pass() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    middleware = ProblemDetails(inner, bodies=[BODY])
    asyncio.run(middleware({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
