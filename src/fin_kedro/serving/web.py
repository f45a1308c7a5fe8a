"""What the BentoML service of any workflow is made of; names come from its package."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import bentoml
import pydantic
from _bentoml_sdk.service import Service  # private: to_asgi is the one place around every layer
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from fin_kedro.contracts import Contract, request_model
from fin_kedro.governance.package import MANIFEST, Package, PackageError, read_package
from fin_kedro.serving import pages
from fin_kedro.serving.answers import Refused, Unavailable, Words, decision_model
from fin_kedro.serving.bento_files import LIST, verified_digest
from fin_kedro.serving.bodies import MAX_ROWS, Body, feature_body
from fin_kedro.serving.problems import STORE_FAILED, NoValuesFilter, ProblemDetails
from fin_kedro.serving.record import UNRELEASED, checked_release
from fin_kedro.serving.scorer import Scorer

logger = logging.getLogger(__name__)
ENVIRONMENT = {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1"}

SETTINGS: dict[str, Any] = {
    "workers": 1,
    "traffic": {"timeout": 30, "max_concurrency": 256},  # the batching queue has no bound itself
    "image": bentoml.images.Image(  # no distro: the stock one installs compilers and git
        base_image=f"python:{sys.version_info.major}.{sys.version_info.minor}-slim", distro=""
    ),
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
    """A verified, loaded package with its HTTP interface; its first operation is scoring."""

    scorer: Scorer
    release: Mapping[str, Any]
    operations: Sequence[pages.Operation]
    note: str

    @property
    def workflow(self) -> str:
        """Whose package it is: the name of the service, and of its bento."""
        return self.scorer.package.workflow

    @property
    def request(self) -> type[pydantic.BaseModel]:
        """The model of a request for decisions."""
        return self.operations[0].request

    @property
    def answer(self) -> type[pydantic.BaseModel]:
        """The model of the decisions."""
        return self.operations[0].answer


class _RequestBase(bentoml.IODescriptor):  # type: ignore[misc]
    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class _AnswerBase(bentoml.IODescriptor):  # type: ignore[misc]
    """The models say what an answer looks like; items are written as they are."""

    member: ClassVar[str]
    rows: ClassVar[str]

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:  # noqa: ARG003
        """Answer one request with its own rows; a refused row makes it an error of its own."""
        refused = [(i, item) for i, item in enumerate(obj) if isinstance(item, Refused)]
        if refused:
            content = {"detail": [_as_error(cls.rows, i, item) for i, item in refused]}
            return JSONResponse(content, max(item.status for _, item in refused))
        if any(isinstance(item, Unavailable) for item in obj):
            return JSONResponse({"error": STORE_FAILED}, 503)
        return Response(to_json({cls.member: obj}), media_type="application/json")


def open_application(*, package: Path, release: Path) -> Application:
    """Verify and load what a service serves; exit with a clear message instead of serving it.

    With a release record (inside a bento) the package must have exactly its digest. Without one
    (development) the decisions say version "development".
    """
    with plain_refusal(package):
        found, record = released_package(package=package, release=release)
        scorer = Scorer(found, version=version_of(record))
    keep_values_out_of_logs()
    body = feature_body(found.contract, scorer.words)
    scoring = scoring_operation(
        body,
        decision_model(scorer.words),
        description="Answers in the order of the request. Concurrent requests share a batch; each "
        "gets its own rows only.",
        examples=pages.golden_examples(found),
    )
    note = f"the example is a made-up {body.row} whose answer was checked when this server started."
    return Application(scorer=scorer, release=record, operations=[scoring], note=note)


@contextmanager
def plain_refusal(package: Path) -> Iterator[None]:
    """End the process with a sentence when its package cannot be served."""
    try:
        yield
    except (PackageError, ValueError) as error:
        raise SystemExit(f"{_whose(package)} does not start: {error}") from None


def _whose(package: Path) -> str:
    """The workflow that a package says it is of, for a sentence; it may not be readable."""
    try:
        return str(json.loads((package / MANIFEST).read_bytes())["workflow"])
    except (OSError, ValueError, KeyError, TypeError):
        return "the service"


def released_package(*, package: Path, release: Path) -> tuple[Package, dict[str, Any]]:
    """Read and verify a package and its release record (empty without one).

    Raises:
        PackageError: it is not what was approved or released, or of another workflow.
    """
    record, bento = _release(release), release.parents[1]
    unreleased = _may_be_unreleased(release)
    found = read_package(package, expected_digest=record.get("digest"))
    if record:
        checked_release(record, workflow=found.workflow, where=str(release))
    if (bento / LIST).is_file() or not unreleased:
        record["bento_digest"] = verified_digest(bento)
        logger.warning("verified the bento %s: digest %s", bento, record["bento_digest"])
    return found, record


def _may_be_unreleased(release: Path) -> bool:
    """Whether the switch of development is on; without it a missing record is an error."""
    if os.environ.get(UNRELEASED) == "true":
        return True
    if not release.is_file():
        raise PackageError(
            f"{release} is missing, so nothing says that this was approved and released. Serve a "
            f"bento that `kedro release` made; in development set {UNRELEASED}=true."
        )
    return False


def version_of(record: Mapping[str, Any]) -> str:
    """Return the released version; without a release record it is development."""
    return str(record.get("version", "development"))


def score_request(contract: Contract) -> type[pydantic.BaseModel]:
    """Build the model of a request whose rows bring all features, in the default words."""
    return request_of(feature_body(contract, Words()), name="ScoreRequest")


def request_of(body: Body, *, name: str) -> type[pydantic.BaseModel]:
    """Build the model of a request: ``{"<rows>": [1 to 1000 rows]}`` and the body's options."""
    row = request_model(body.contract, body.columns, reference=body.reference, name=body.model)
    rows = Annotated[list[row], pydantic.Field(min_length=1, max_length=MAX_ROWS)]  # type: ignore[valid-type]
    options = {
        option: (bool, pydantic.Field(False, description=text))
        for option, text in body.options.items()
    }
    members: dict[str, Any] = {body.rows: (rows, ...), **options}
    return pydantic.create_model(
        name,
        __base__=_RequestBase,
        __doc__=f"{body.rows.capitalize()} to {body.purpose}.",
        **members,
    )


def answer_of(
    body: Body, member: str, item: type[pydantic.BaseModel], *, name: str
) -> type[pydantic.BaseModel]:
    """Build the model of an answer: ``{"<member>": [one item for each row]}``."""
    members: dict[str, Any] = {member: (list[item], ...)}  # type: ignore[valid-type]
    answer = pydantic.create_model(
        name,
        __base__=_AnswerBase,
        __doc__=f"One {member.removesuffix('s')} per {body.row}, in the order of the request.",
        **members,
    )
    answer.member, answer.rows = member, body.rows
    return answer


def scoring_operation(
    body: Body,
    decision: type[pydantic.BaseModel],
    *,
    description: str,
    examples: Sequence[Mapping[str, Any]],
) -> pages.Operation:
    """Describe ``POST /score``."""
    return pages.Operation(
        body=body,
        request=request_of(body, name="ScoreRequest"),
        answer=answer_of(body, "decisions", decision, name="Answer"),
        name="score",
        tag="decisions",
        summary=f"Decide on {body.rows}",
        description=description,
        examples=examples,
    )


def service_class(application: Application) -> type[Service[Any]]:
    """Return a BentoML service class whose every error is a problem document.

    The middleware must stand outside BentoML's own (time-out, concurrency), which
    ``add_asgi_middleware`` does not allow.
    """

    class ProblemService(Service[Any]):  # type: ignore[misc]
        def to_asgi(self, is_main: bool = True) -> Any:
            keep_values_out_of_logs()
            bodies = [operation.body for operation in application.operations]
            return ProblemDetails(super().to_asgi(is_main), bodies=bodies)

    return ProblemService


def pages_app(application: Application) -> Starlette:
    """Serve ``/docs`` and ``/openapi.json``; ``/`` leads there (BentoML's page loads a tracker)."""
    package = application.scorer.package
    document = pages.openapi(
        package,
        application.operations,
        version=application.scorer.model.version,
        note=application.note,
        bento=application.release.get("bento_digest"),
    )
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


def _release(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except ValueError as error:
        raise PackageError(f"{path} is not JSON: {error}. Release the version again.") from None


def _as_error(rows: str, place: int, item: Refused) -> dict[str, Any]:
    field = [item.field] if item.field else []
    return {"type": "refused", "loc": [rows, place, *field], "msg": item.message}
