"""The API's description (OpenAPI 3.1) and its page: nothing is loaded from another host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from fin_kedro.contracts import Column, Contract
from fin_kedro.governance.package import Package
from fin_kedro.serving.problems import MEDIA_TYPE, TITLES
from fin_kedro.serving.scorer import Decision, is_missing

_REF = "#/components/schemas/{model}"
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static_content/swagger-ui.css"></head>
<body><div id="page"></div><script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "openapi.json", dom_id: "#page", validatorUrl: null,
deepLinking: true, tryItOutEnabled: true, defaultModelsExpandDepth: 0,
presets: [SwaggerUIBundle.presets.apis]}})</script></body></html>
"""


class Problem(pydantic.BaseModel):
    """An error, as in RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem] = []


class FieldProblem(pydantic.BaseModel):
    """One field that is wrong."""

    field: str = pydantic.Field(description="JSON pointer into the request")
    value: Any = pydantic.Field(None, description="what was sent")
    allowed: str = pydantic.Field(description="what the contract allows")
    message: str


class Answer(pydantic.BaseModel):
    """One decision per application, in the order of the request."""

    decisions: list[Decision]


def page(package: Package) -> str:
    """Return the page of ``GET /docs``; it needs this server's own static files only."""
    return PAGE.format(title=f"{package.workflow}: applications in, decisions out")


def examples(package: Package) -> list[dict[str, Any]]:
    """Return golden applications that the request model accepts, as JSON values."""
    rows = [row["application"] for row in package.golden]
    return [plain_row(package.contract, row) for row in rows]


def plain_row(contract: Contract, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's feature columns in the contract's order and types (24.0 becomes 24)."""
    values = {c.name: _plain(c, row.get(c.name)) for c in contract.features}
    return {k: v for k, v in values.items() if v is not None or contract.columns[k].required}


def openapi(package: Package, request: type[pydantic.BaseModel], *, version: str) -> dict[str, Any]:
    """Describe the HTTP interface; the example rows are the package's golden rows."""
    schemas = _schemas(request, Answer, Problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{package.workflow}: applications in, decisions out",
            "version": version,
            "description": _description(package, version),
        },
        "servers": [{"url": "."}],
        "paths": {"/score": {"post": _score_operation(request, examples(package))}, **_infra()},
        "components": {"schemas": schemas},
    }


def _description(package: Package, version: str) -> str:
    contract = package.contract
    return (
        f"Model version **{version}**, package `{package.digest[:16]}`, contract "
        f"`{contract.name}` {contract.version}. Press **Execute** below: the example is a made-up "
        "application whose answer was checked when this server started."
    )


def _score_operation(
    request: type[pydantic.BaseModel], rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    bodies = {
        "one": {"summary": "one application", "value": _body(rows[:1])},
        "three": {"summary": "three at once", "value": _body(rows[:3])},
    }
    content = {"schema": {"$ref": _REF.format(model=request.__name__)}, "examples": bodies}
    return {
        "tags": ["decisions"],
        "operationId": "score",
        "summary": "Decide on applications",
        "description": "Answers in the order of the request. Concurrent requests share a batch; "
        "each gets its own rows only.",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": _json_response("Decisions", "Answer"), **_errors()},
    }


def _body(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"applications": [{"id": f"example-{i}", **row} for i, row in enumerate(rows, 1)]}


def _errors() -> dict[str, Any]:
    reference = {"schema": {"$ref": _REF.format(model="Problem")}}
    return {
        str(status): {"description": title, "content": {MEDIA_TYPE: reference}}
        for status, (_, title) in TITLES.items()
        if status not in (404, 405)
    }


def _infra() -> dict[str, Any]:
    texts = {
        "/readyz": "200 once the package is verified and loaded",
        "/livez": "200 while the process answers",
        "/metrics": "counts and latencies for Prometheus",
    }
    return {
        path: {
            "get": {
                "tags": ["operation"],
                "summary": text,
                "responses": {"200": {"description": "well"}},
            }
        }
        for path, text in texts.items()
    }


def _json_response(text: str, model: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": _REF.format(model=model)}}
    return {"description": text, "content": {"application/json": schema}}


def _schemas(*models: type[pydantic.BaseModel]) -> dict[str, Any]:
    _, found = pydantic.json_schema.models_json_schema(
        [(model, "validation") for model in models], ref_template=_REF
    )
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _plain(column: Column, value: Any) -> Any:
    if is_missing(value):
        return None
    if column.type == "integer":
        return int(value)
    return bool(value) if column.type == "boolean" else value
