"""The API's description (OpenAPI 3.1) and its page: nothing is loaded from another host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from fin_kedro.contracts import Column, Contract
from fin_kedro.contracts.requests import reference_name
from fin_kedro.governance.package import Package
from fin_kedro.serving.answers import Words
from fin_kedro.serving.bodies import Body
from fin_kedro.serving.problems import MEDIA_TYPE, TITLES, title_of
from fin_kedro.serving.scorer import is_missing

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


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One path of the API: what it takes, what it answers, how it is described.

    ``examples`` are rows that it accepts: the first stands alone, and with two others.
    """

    body: Body
    request: type[pydantic.BaseModel]
    answer: type[pydantic.BaseModel]
    name: str
    tag: str
    summary: str
    description: str
    examples: Sequence[Mapping[str, Any]]


def page(package: Package) -> str:
    """Return the page of ``GET /docs``; it needs this server's own static files only."""
    return PAGE.format(title=_title(package))


def golden_examples(package: Package) -> list[dict[str, Any]]:
    """Return golden rows that the request model accepts, as JSON values."""
    rows = [plain_row(package.contract, row["application"]) for row in package.golden[:3]]
    own = reference_name(package.contract.inputs)
    return [{own: f"example-{i}", **row} for i, row in enumerate(rows, 1)]


def plain_row(contract: Contract, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model reads of a row, in the contract's order and types (24.0 becomes 24)."""
    values = {c.name: _plain(c, row.get(c.name)) for c in contract.inputs}
    return {k: v for k, v in values.items() if v is not None or contract.columns[k].required}


def openapi(
    package: Package,
    operations: Sequence[Operation],
    *,
    version: str,
    note: str,
    bento: str | None = None,
) -> dict[str, Any]:
    """Describe the HTTP interface; ``note`` says what executing an example does.

    ``bento``: digest of the service's files, verified when it started; None in development.
    """
    models = [model for o in operations for model in (o.request, o.answer)]
    contract = package.contract
    files = f"bento `{bento}` (verified at start)" if bento else "not a released bento"
    description = (
        f"Model version **{version}**, package `{package.digest[:16]}`, contract "
        f"`{contract.name}` {contract.version}, {files}. Press **Execute** below: {note}"
    )
    paths = {o.body.path: {"post": _described(o)} for o in operations}
    return {
        "openapi": "3.1.0",
        "info": {"title": _title(package), "version": version, "description": description},
        "servers": [{"url": "."}],
        "paths": {**paths, **_infra()},
        "components": {"schemas": _schemas(*models, Problem)},
    }


def _title(package: Package) -> str:
    return f"{package.workflow}: {Words.of(package).rows} in, decisions out"


def _described(operation: Operation) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=operation.request.__name__)}
    content = {"schema": schema, "examples": _bodies(operation)}
    answers = {"200": _json_response(operation.tag.capitalize(), operation.answer)}
    return {
        "tags": [operation.tag],
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {**answers, **_errors(operation.body.row)},
    }


def _bodies(operation: Operation) -> dict[str, Any]:
    body, rows = operation.body, operation.examples
    found = {"one": {"summary": f"one {body.row}", "value": {body.rows: rows[:1]}}}
    if len(rows) > 1:
        found["three"] = {"summary": "three at once", "value": {body.rows: rows[:3]}}
    for option in body.options:
        value = {body.rows: rows[:1], option: True}
        found[option] = {"summary": f"one {body.row}, with {option}", "value": value}
    return found


def _errors(row: str) -> dict[str, Any]:
    reference = {"schema": {"$ref": _REF.format(model="Problem")}}
    return {
        str(status): {"description": title_of(status, row)[1], "content": {MEDIA_TYPE: reference}}
        for status in TITLES
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


def _json_response(text: str, model: type[pydantic.BaseModel]) -> dict[str, Any]:
    schema = {"schema": {"$ref": _REF.format(model=model.__name__)}}
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
