"""Errors as RFC 9457 problem details that name field, value and what is allowed."""

from __future__ import annotations

import difflib
import json
import logging
import math
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from fin_kedro.contracts import Column, Contract

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MEDIA_TYPE = "application/problem+json"
MAX_ROWS = 1000
MAX_BYTES = 2 * 1024 * 1024
SHOWN_ERRORS = 50
SHOWN_CHARACTERS = 200
ROWS = "applications"
logger = logging.getLogger(__name__)

TITLES = {
    400: ("malformed-json", "The request body is not JSON"),
    404: ("unknown-path", "There is nothing at this path"),
    405: ("wrong-method", "This path does not answer this method"),
    413: ("body-too-large", "The request body is too large"),
    415: ("wrong-content-type", "The request body must be application/json"),
    422: ("invalid-application", "The application does not follow the contract"),
    500: ("internal-error", "The service could not answer"),
    503: ("overloaded", "The service is busy"),
    504: ("timed-out", "The service did not answer in time"),
}


class ProblemDetails:
    """Pure ASGI middleware: requests that succeed pass through untouched.

    It keeps references to the body's chunks as they go by. When the answer is an error, it reads
    the body again and says which field is wrong, what was sent, and what the contract allows.
    Values go back to the caller only; the log gets field names and the occurrence's id.
    """

    def __init__(self, app: App, *, contract: Contract, path: str = "/score") -> None:
        """Wrap ``app``; ``path`` is the one path that takes applications."""
        self.app = app
        self.contract = contract
        self.path = path

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        refused = self._refused_unread(scope)
        if refused is not None:
            await exchange.drain()
            await self._answer(exchange, *refused)
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
            await self._answer(exchange, *self._explain(exchange))

    def _refused_unread(self, scope: Message) -> tuple[int, str, list[dict[str, Any]]] | None:
        """Refuse by the headers alone: the body of these requests is never parsed."""
        if scope["path"] != self.path or scope["method"] != "POST":
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
            return 415, f"Content-Type is {shown}; send application/json.", []
        if length.isdigit() and int(length) > MAX_BYTES:
            return 413, _too_large_text(int(length)), []
        return None

    def _explain(self, exchange: _Exchange) -> tuple[int, str, list[dict[str, Any]]]:
        if exchange.too_large:
            return 413, _too_large_text(None), []
        status = 503 if exchange.status == 429 else exchange.status
        found = _pydantic_errors(exchange.answer)
        if found is not None and status in (400, 422):
            return self._explain_body(exchange, found)
        return status, self._general_text(status, exchange.scope), []

    def _explain_body(
        self, exchange: _Exchange, found: list[dict[str, Any]]
    ) -> tuple[int, str, list[dict[str, Any]]]:
        if any(error.get("type") == "json_invalid" for error in found):
            text = str(found[0].get("msg", "Invalid JSON")).removeprefix("Invalid JSON: ")
            return 400, f"The body is not valid JSON: {text}.", []
        body = _parsed(b"".join(exchange.chunks))
        errors = [self._error(body, error) for error in found[:SHOWN_ERRORS]]
        more = f" The first {SHOWN_ERRORS} are listed." if len(found) > SHOWN_ERRORS else ""
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        return 422, f"{count}: {errors[0]['message']}{more}", errors

    def _error(self, body: Any, found: dict[str, Any]) -> dict[str, Any]:
        """Turn one pydantic error into field, value, allowed, message."""
        place = list(found.get("loc", ()))
        kind, text = found.get("type", ""), str(found.get("msg", ""))
        column = self.contract.columns.get(str(place[2])) if len(place) > 2 else None
        value = _at(body, place)
        if kind == "extra_forbidden":
            allowed, text = self._unknown(place)
        elif column is not None and column.role == "feature":
            allowed = f"{column.type}: {column.allowed_text()}"
            text = _column_text(column, kind, value, text)
        else:
            allowed, text = _shape(place, kind, text)
        message = _sentence(_shorten(text, 2 * SHOWN_CHARACTERS))
        item = {"field": _pointer(place), "allowed": allowed, "message": message}
        return item if value is _ABSENT else {**item, "value": _shown(value)}

    def _unknown(self, place: Sequence[Any]) -> tuple[str, str]:
        name = str(place[-1])
        if len(place) == 1:
            return ROWS, f"{_shorten(name)} is not a member of the request; send only {ROWS!r}"
        column = self.contract.columns.get(name)
        names = [c.name for c in self.contract.features]
        if column is not None:
            protected = column.role == "protected"
            why = "a protected attribute" if protected else f"of role {column.role}"
            return "no value", f"{name} is {why} and plays no part in a decision; leave it out"
        close = _closest(name, [*names, "id"])
        hint = f"; did you mean {close}?" if close else ""
        return ", ".join([*names, "id"]), f"{_shorten(name)} is not a field of an application{hint}"

    def _general_text(self, status: int, scope: Message) -> str:
        path = _shorten(scope["path"])
        texts = {
            404: f"There is nothing at {path}. Send applications to POST {self.path}; "
            "GET /docs explains it.",
            405: f"{path} does not answer {scope['method']}. Send applications to POST "
            f"{self.path}; GET /docs explains it.",
            503: "More requests are waiting than the service can answer. Try again after a second.",
            504: "The answer took too long. Send fewer applications at once, or try again.",
        }
        if status in texts or status < 500:
            return texts.get(status, "The request could not be answered.")
        return (
            "Something unexpected happened here. Try again, and report the instance below if it "
            "happens again."
        )

    async def _answer(
        self, exchange: _Exchange, status: int, detail: str, errors: list[dict[str, Any]]
    ) -> None:
        slug, title = TITLES.get(status, ("error", "The request could not be answered"))
        problem: dict[str, Any] = {
            "type": f"urn:problem-type:fin_kedro:{slug}",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": f"urn:uuid:{uuid.uuid4()}",
        }
        if errors:
            problem["errors"] = errors
        fields = ", ".join(e["field"] for e in errors[:5] if e["field"] in self._known_fields(e))
        level = logging.ERROR if status >= 500 else logging.INFO
        logger.log(level, "%s %s %s %s", status, slug, problem["instance"], fields)
        await exchange.reply(status, json.dumps(problem).encode())

    def _known_fields(self, error: dict[str, Any]) -> tuple[str, ...]:
        """A field's name is logged only if it is the contract's: an unknown one may be data."""
        name = error["field"].rpartition("/")[2]
        return (error["field"],) if name in self.contract.columns or name == ROWS else ()


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


def _pydantic_errors(answer: bytes) -> list[dict[str, Any]] | None:
    content = _parsed(answer)
    found = content.get("detail") if isinstance(content, dict) else None
    return found if isinstance(found, list) and found else None


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


def _shape(place: Sequence[Any], kind: str, text: str) -> tuple[str, str]:
    """Name what is expected above the level of a column: the body, the list, a row, the id."""
    rows = f"a list of 1 to {MAX_ROWS} applications"
    if not place:
        return "a JSON object", f'send a JSON object {{"{ROWS}": [...]}}'
    if place == [ROWS]:
        missing = {"missing": f"{ROWS} is missing", "too_short": f"{ROWS} is empty"}
        return rows, missing.get(kind, f"{ROWS} must be {rows}")
    if len(place) == 2:
        return "a JSON object", f"application {place[1]} must be a JSON object"
    return "string or null", f"{_shorten(str(place[-1]))}: {text}"


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


def _too_large_text(size: int | None) -> str:
    found = f" has {size} bytes and" if size is not None else ""
    return f"The body{found} is larger than {MAX_BYTES} bytes. Send fewer applications at once."
