"""Errors as RFC 9457 problem details that name field, value and what is allowed."""

from __future__ import annotations

import difflib
import json
import logging
import math
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fin_kedro.contracts import Column
from fin_kedro.serving.bodies import MAX_ROWS, Body

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MEDIA_TYPE = "application/problem+json"
MAX_BYTES = 2 * 1024 * 1024
SHOWN_ERRORS = 50
SHOWN_CHARACTERS = 200
logger = logging.getLogger(__name__)

TITLES = {
    400: ("malformed-json", "The request body is not JSON"),
    404: ("unknown-path", "There is nothing at this path"),
    405: ("wrong-method", "This path does not answer this method"),
    413: ("body-too-large", "The request body is too large"),
    415: ("wrong-content-type", "The request body must be application/json"),
    422: ("invalid-{row}", "The {row} does not follow the contract"),
    500: ("internal-error", "The service could not answer"),
    503: ("overloaded", "The service is busy"),
    504: ("timed-out", "The service did not answer in time"),
}
NOT_READY = ("not-ready", "The service is not ready")
STORE_TITLE = ("store-unavailable", "The feature store does not answer")
STORE_FAILED = "store"  # the error that an inner answer names when its status 503 is the store's


class ProblemDetails:
    """Pure ASGI middleware: requests that succeed pass through untouched.

    It keeps references to the body's chunks as they go by. When the answer is an error, it reads
    the body again and says which field is wrong, what was sent, and what the contract allows.
    Values go back to the caller only; the log gets field names and the occurrence's id.
    """

    def __init__(self, app: App, *, bodies: Sequence[Body]) -> None:
        """Wrap ``app``; ``bodies`` say which paths take rows, and which rows."""
        self.app = app
        self.bodies = {body.path: body for body in bodies}
        self.sending = " or ".join(f"{body.rows} to POST {body.path}" for body in bodies)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        refused = self._refused_unread(scope)
        if refused is not None:
            await exchange.drain()
            await self._answer(exchange, _Problem(*refused))
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            logger.error("unexpected %s", without_values(error))
            exchange.status = 500
        if exchange.status >= 400 or exchange.too_large:
            if exchange.too_large:
                await exchange.drain()
            await self._answer(exchange, self._explain(exchange))

    def _refused_unread(self, scope: Message) -> tuple[int, str] | None:
        """Refuse by the headers alone: the body of these requests is never parsed."""
        if scope["path"] not in self.bodies or scope["method"] != "POST":
            return None
        kind = length = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value
        media_type = kind.split(b";")[0].strip().lower()
        if media_type and media_type != b"application/json":
            shown = media_type.decode("latin-1")[:SHOWN_CHARACTERS]
            return 415, f"Content-Type is {shown}; send application/json."
        if length.isdigit() and int(length) > MAX_BYTES:
            return 413, _too_large_text(int(length), self.bodies[scope["path"]])
        return None

    def _explain(self, exchange: _Exchange) -> _Problem:
        body = self.bodies.get(exchange.scope["path"])
        if exchange.too_large:
            return _Problem(413, _too_large_text(None, body))
        status = 503 if exchange.status == 429 else exchange.status
        inner = _parsed(exchange.answer)
        found = inner.get("detail") if isinstance(inner, dict) else None
        if body is not None and isinstance(found, list) and found and status in (400, 422):
            return self._explain_body(exchange, body, found)
        if status == 503 and exchange.scope["path"] == "/readyz":
            return _Problem(503, "It is not ready to answer; its log says why.", title=NOT_READY)
        if status == 503 and isinstance(inner, dict) and inner.get("error") == STORE_FAILED:
            return _Problem(503, _STORE_TEXT, title=STORE_TITLE)
        return _Problem(status, self._general_text(status, exchange.scope, _rows(body)))

    def _explain_body(
        self, exchange: _Exchange, body: Body, found: list[dict[str, Any]]
    ) -> _Problem:
        if any(error.get("type") == "json_invalid" for error in found):
            text = str(found[0].get("msg", "Invalid JSON")).removeprefix("Invalid JSON: ")
            return _Problem(400, f"The body is not valid JSON: {text}.")
        sent = _parsed(b"".join(exchange.chunks))
        errors = [_error(body, sent, error) for error in found[:SHOWN_ERRORS]]
        more = f" The first {SHOWN_ERRORS} are listed." if len(found) > SHOWN_ERRORS else ""
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        return _Problem(422, f"{count}: {errors[0]['message']}{more}", errors)

    def _general_text(self, status: int, scope: Message, rows: str) -> str:
        path = _shorten(scope["path"])
        texts = {
            404: f"There is nothing at {path}. Send {self.sending}; GET /docs explains it.",
            405: f"{path} does not answer {scope['method']}. Send {self.sending}; GET /docs "
            "explains it.",
            503: "More requests are waiting than the service can answer. Try again after a second.",
            504: f"The answer took too long. Send fewer {rows} at once, or try again.",
        }
        if status in texts or status < 500:
            return texts.get(status, "The request could not be answered.")
        return (
            "Something unexpected happened here. Try again, and report the instance below if it "
            "happens again."
        )

    async def _answer(self, exchange: _Exchange, problem: _Problem) -> None:
        status, errors = problem.status, problem.errors
        body = self.bodies.get(exchange.scope["path"])
        slug, title = problem.title or title_of(status, body.row if body else "row")
        content: dict[str, Any] = {
            "type": f"urn:problem-type:fin_kedro:{slug}",
            "title": title,
            "status": status,
            "detail": problem.detail,
            "instance": f"urn:uuid:{uuid.uuid4()}",
        }
        if errors:
            content["errors"] = errors
        fields = ", ".join(e["field"] for e in errors[:5] if body and _is_known(e["field"], body))
        level = logging.ERROR if status >= 500 else logging.INFO
        logger.log(level, "%s %s %s %s", status, slug, content["instance"], fields)
        await exchange.reply(status, json.dumps(content).encode())


def title_of(status: int, row: str) -> tuple[str, str]:
    """Return a problem's slug and title; ``row`` is what the path calls what it takes."""
    slug, title = TITLES.get(status, ("error", "The request could not be answered"))
    return slug.format(row=row), title.format(row=row)


@dataclass(frozen=True)
class _Problem:
    """What a problem document says; the title follows from the status, or is its own."""

    status: int
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    title: tuple[str, str] | None = None


class _Exchange:
    """One request and its answer; an answer that is an error is held back."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive, self._send = receive, send
        self.chunks: list[bytes] = []
        self.size = 0
        self.too_large = False
        self.finished = False
        self.started = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.answer = b""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            self.chunks.append(chunk)
            self.size += len(chunk)
            self.finished = not message.get("more_body", False)
            if self.size > MAX_BYTES:
                self.too_large = True
                self.chunks.clear()
                return {"type": "http.disconnect"}
        else:
            self.finished = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        if self.status < 400 and not self.too_large:
            self.started = True
            await self._send(message)
        elif message["type"] == "http.response.body":
            self.answer += message.get("body", b"")

    async def drain(self) -> None:
        """Read the rest of a refused body, within reason, so that the caller sees the answer."""
        while not self.finished and self.size < 8 * MAX_BYTES:
            message = await self._receive()
            self.size += len(message.get("body", b""))
            self.finished = not message.get("more_body", False)

    async def reply(self, status: int, body: bytes) -> None:
        kept = [h for h in self.headers if h[0].lower() in (b"allow", b"server")]
        extra = [(b"retry-after", b"1")] if status == 503 else []
        extra += [(b"connection", b"close")] if not self.finished and self.size else []
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *kept,
            *extra,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


class NoValuesFilter(logging.Filter):
    """Keep values out of a server's log: an exception's text may quote what the caller sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the traceback by types and places; drop refusals, which are logged as such."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None:
            return True
        record.exc_info = None
        record.exc_text = None
        record.msg, record.args = f"{record.getMessage()}: {without_values(error)}", ()
        return type(error).__name__ not in ("ValidationError", "ClientDisconnect")


def without_values(error: BaseException) -> str:
    """Describe an exception by type and places in the code, without its text."""
    places = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{p.name} ({Path(p.filename).name}:{p.lineno})" for p in reversed(places))
    return f"{type(error).__name__} in {where}"


_ABSENT = object()


_STORE_TEXT = (
    "The history could not be read or kept, so nothing was decided and nothing of this request was "
    "counted. Send the same request again after a while: what has an id counts once."
)


def _error(body: Body, sent: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Turn one pydantic error into field, value, allowed, message."""
    place = list(found.get("loc", ()))
    kind, text = found.get("type", ""), str(found.get("msg", "")).removeprefix("Value error, ")
    column = body.fields.get(str(place[2])) if len(place) > 2 else None
    value = _at(sent, place)
    if kind == "extra_forbidden":
        allowed, text = _unknown(body, place)
    elif column is not None:
        allowed = f"{column.type}: {column.allowed_text()}"
        text = _column_text(column, kind, value, text)
    else:
        allowed, text = _shape(body, place, kind, text)
    message = _sentence(_shorten(text, 2 * SHOWN_CHARACTERS))
    item = {"field": _pointer(place), "allowed": allowed, "message": message}
    return item if value is _ABSENT else {**item, "value": _shown(value)}


def _unknown(body: Body, place: Sequence[Any]) -> tuple[str, str]:
    name = str(place[-1])
    if len(place) == 1:
        members = " and ".join(repr(m) for m in (body.rows, *body.options))
        known = ", ".join((body.rows, *body.options))
        return known, f"{_shorten(name)} is not a member of the request; send only {members}"
    no_place = body.no_place(name)
    if no_place is not None:
        return "no value", f"{no_place}; leave it out"
    close = _closest(name, body.names)
    hint = f"; did you mean {close}?" if close else ""
    article = "an" if body.row[:1] in "aeiou" else "a"
    return ", ".join(body.names), f"{_shorten(name)} is not a field of {article} {body.row}{hint}"


def _is_known(pointer: str, body: Body) -> bool:
    """A field's name is logged only if it is the contract's: an unknown one may be data."""
    name = pointer.rpartition("/")[2]
    return name in body.contract.columns or name in (body.rows, *body.options)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _at(body: Any, place: Sequence[Any]) -> Any:
    for step in place:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return body


def _column_text(column: Column, kind: str, value: Any, text: str) -> str:
    if kind == "missing":
        return f"{column.name} is required"
    problem = None if value is _ABSENT else column.problem(value)
    return problem if problem and column.name in problem else f"{column.name}: {problem or text}"


def _shape(body: Body, place: Sequence[Any], kind: str, text: str) -> tuple[str, str]:
    """Name what is expected above the level of a column: the body, the list, a row, the id."""
    rows = f"a list of 1 to {MAX_ROWS} {body.rows}"
    if not place:
        return "a JSON object", f'send a JSON object {{"{body.rows}": [...]}}'
    if place == [body.rows]:
        missing = {"missing": f"{body.rows} is missing", "too_short": f"{body.rows} is empty"}
        return rows, missing.get(kind, f"{body.rows} must be {rows}")
    if len(place) == 1:
        return "true or false", f"{place[0]} must be true or false"
    if len(place) == 2 and kind == "refused":
        return f"a {body.row} that can be counted", text
    if len(place) == 2:
        return "a JSON object", f"{body.row} {place[1]} must be a JSON object"
    return "integer, string or null", f"{_shorten(str(place[-1]))}: {text}"


def _closest(name: str, names: Sequence[str]) -> str | None:
    by_form = {n.lower().replace("_", ""): n for n in names}
    form = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    found = difflib.get_close_matches(form[:SHOWN_CHARACTERS], by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def _pointer(place: Sequence[Any]) -> str:
    steps = (_shorten(str(s)).replace("~", "~0").replace("/", "~1") for s in place)
    return "".join(f"/{s}" for s in steps)


def _sentence(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


def _shown(value: Any) -> Any:
    """Echo a value as JSON can carry it: short, and NaN or Infinity by name."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)[: SHOWN_CHARACTERS + 1]
        return _shorten(text)
    return _shorten(value) if isinstance(value, str) else _short_number(value)


def _short_number(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return "an integer of more than 63 bits"
    return value


def _shorten(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def _too_large_text(size: int | None, body: Body | None) -> str:
    found = f" has {size} bytes and" if size is not None else ""
    return f"The body{found} is larger than {MAX_BYTES} bytes. Send fewer {_rows(body)} at once."


def _rows(body: Body | None) -> str:
    return body.rows if body else "rows"
