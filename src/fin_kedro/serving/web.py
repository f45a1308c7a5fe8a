"""What a BentoML service of one workflow is made of; a bento's service.py only names it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import bentoml
import pydantic
from _bentoml_sdk.service import Service  # private: to_asgi is the one place around every layer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from fin_kedro.contracts import Contract, request_model
from fin_kedro.governance.package import PackageError, read_package
from fin_kedro.serving import pages
from fin_kedro.serving.problems import MAX_ROWS, NoValuesFilter, ProblemDetails
from fin_kedro.serving.record import checked_release
from fin_kedro.serving.scorer import Refused, Scorer

ENVIRONMENT = {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1"}

SETTINGS: dict[str, Any] = {
    "workers": 1,
    "traffic": {"timeout": 30, "max_concurrency": 256},  # the batching queue has no bound itself
    "http": {"host": "127.0.0.1"},  # BentoML's own default listens on every interface
    "tracing": {"excluded_urls": ".*"},  # 500 to 850 us a request even without an exporter
    "logging": {"access": {"enabled": False}},  # 100 to 300 us a request; metrics count them
    "envs": [
        *({"name": name, "value": value} for name, value in ENVIRONMENT.items()),
        {"name": "BENTOML_HOST", "value": "0.0.0.0"},  # noqa: S104  a container's own interface
    ],
}


@dataclass(frozen=True, kw_only=True)
class Application:
    """A verified, loaded package with the models of its HTTP interface."""

    scorer: Scorer
    request: type[pydantic.BaseModel]
    answer: type[pydantic.BaseModel]
    release: Mapping[str, Any]


class ScoreAnswer(pages.Answer, bentoml.IODescriptor):  # type: ignore[misc]
    """One decision per application, in the order of the request."""

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:  # noqa: ARG003
        """Answer one request with its own rows; a refused row makes it an error of its own."""
        refused = [(i, item) for i, item in enumerate(obj) if isinstance(item, Refused)]
        if refused:
            status = 422 if all(item.field for _, item in refused) else 500
            return JSONResponse({"detail": _as_errors(refused)}, status_code=status)
        text = cls.model_construct(decisions=obj).model_dump_json()
        return Response(text, media_type="application/json")


class _RequestBase(bentoml.IODescriptor):  # type: ignore[misc]
    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def open_application(*, workflow: str, package: Path, release: Path) -> Application:
    """Verify and load what a service serves; exit with a clear message instead of serving it.

    With a release record (inside a bento) the package must have exactly its digest. Without one
    (development) the decisions say version "development".
    """
    try:
        record = _release(release, workflow)
        found = read_package(package, expected_digest=record.get("digest"))
        if found.workflow != workflow:
            raise PackageError(
                f"package at {package} is for workflow {found.workflow!r}, this service is "
                f"{workflow!r}. Serve it with its own service."
            )
        scorer = Scorer(found, version=str(record.get("version", "development")))
    except PackageError as error:
        raise SystemExit(f"{workflow} does not start: {error}") from None
    keep_values_out_of_logs()
    return Application(
        scorer=scorer, request=score_request(found.contract), answer=ScoreAnswer, release=record
    )


def score_request(contract: Contract) -> type[pydantic.BaseModel]:
    """Build the model of a request body: ``{"applications": [1 to 1000 rows]}``."""
    row = request_model(contract)
    rows = Annotated[list[row], pydantic.Field(min_length=1, max_length=MAX_ROWS)]  # type: ignore[valid-type]
    return pydantic.create_model(
        "ScoreRequest",
        __base__=_RequestBase,
        __doc__="Applications to decide on.",
        applications=(rows, ...),
    )


def service_class(application: Application) -> type[Service[Any]]:
    """Return a BentoML service class whose every error is a problem document.

    The middleware must stand outside BentoML's own (time-out, concurrency), which
    ``add_asgi_middleware`` does not allow.
    """

    class ProblemService(Service[Any]):  # type: ignore[misc]
        def to_asgi(self, is_main: bool = True) -> Any:
            keep_values_out_of_logs()
            contract = application.scorer.package.contract
            return ProblemDetails(super().to_asgi(is_main), contract=contract)

    return ProblemService


def pages_app(application: Application) -> Starlette:
    """Serve ``/docs`` and ``/openapi.json``; ``/`` leads there (BentoML's page loads a tracker)."""
    package = application.scorer.package
    version = application.scorer.model.version
    document = pages.openapi(package, application.request, version=version)
    text = pages.page(package)

    async def docs(_: Request) -> Response:
        return HTMLResponse(text, headers=pages.HEADERS)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    async def home(_: Request) -> Response:
        return RedirectResponse("docs")

    return Starlette(
        routes=[
            Route("/docs", docs),
            Route("/openapi.json", openapi),
            Route("/docs.json", openapi),
            Route("/", home),
        ]
    )


def keep_values_out_of_logs() -> None:
    """Filter the loggers that would print a request's values inside an exception's text."""
    names = ("bentoml._internal.server.http_app", "bentoml._internal.marshal.dispatcher")
    for name in (*names, "bentoml.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        if not any(isinstance(f, NoValuesFilter) for f in logger.filters):
            logger.addFilter(NoValuesFilter())


def _release(path: Path, workflow: str) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise PackageError(f"{path} is not JSON: {error}. Release the version again.") from None
    return checked_release(record, workflow=workflow, where=str(path))


def _as_errors(refused: list[tuple[int, Refused]]) -> list[dict[str, Any]]:
    return [
        {"type": "refused", "loc": ["applications", i, item.field], "msg": item.message}
        for i, item in refused
    ]
