"""What the BentoML service of a workflow with live features is made of, beside `web`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import bentoml
import pydantic

from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.naming import named_object
from fin_kedro.contracts.requests import example
from fin_kedro.features.windows import EventFeatures
from fin_kedro.online import open_store
from fin_kedro.serving import pages, web
from fin_kedro.serving.answers import decision_model
from fin_kedro.serving.bodies import Body, event_body, label_body
from fin_kedro.serving.live import LiveScorer, check_features
from fin_kedro.serving.record import FACTS, read_facts
from fin_kedro.serving.scorer import Scorer

STORE, WORKERS = "FIN_KEDRO_STORE", "FIN_KEDRO_WORKERS"
STATISTICS = "FIN_KEDRO_STATISTICS"  # in development, where no service.json names them
EMBEDDED = ("log", "memory")  # kinds of store that one process has for itself


@dataclass(frozen=True, kw_only=True)
class LiveApplication(web.Application):
    """A verified package, its interface, and where the state of its features is.

    The second operation takes labels; ``settings`` are those of the BentoML service.
    """

    features: EventFeatures
    settings: dict[str, Any]

    @property
    def labels(self) -> pages.Operation:
        """The operation that takes labels."""
        return self.operations[1]


class LiveService:
    """What the class of a BentoML service inherits: its store, opened where it serves."""

    application: ClassVar[LiveApplication]

    def __init__(self) -> None:
        """Open the store. If it cannot be, the service is not ready, and tries again when asked."""
        features = self.application.features
        self.live = LiveScorer(
            self.application.scorer, features, lambda: open_store(os.environ[STORE], features)
        )
        self.live.is_ready()

    def __is_ready__(self) -> bool:
        """Answer ``GET /readyz``."""
        return self.live.is_ready()

    @bentoml.on_deployment
    @staticmethod
    def settle() -> None:
        """Take a relative folder from where the service is started, before workers start elsewhere.

        BentoML changes the folder while it imports a service, but not while it calls this.
        """
        kind, separator, rest = os.environ[STORE].partition(":")
        if kind == "log" and rest:
            os.environ[STORE] = f"{kind}{separator}{Path(rest).absolute()}"

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the store."""
        self.live.close()


def named_statistics(folder: Path) -> EventFeatures:
    """The statistics of history that ``service.json`` in a bento names; exit when there are none.

    In development there is no such file, and FIN_KEDRO_STATISTICS names them.
    """
    path = read_facts(folder).get("statistics") or os.environ.get(STATISTICS)
    example = "fin_kedro.features.fraud_statistics:fraud_statistics"
    if not path:
        raise SystemExit(
            f"the service does not start: there is no {FACTS} beside it, so {STATISTICS} must name "
            f"the statistics that its package was made for, e.g. {example}."
        )
    try:
        return named_object(path, EventFeatures, setting="statistics", example=example)
    except ContractError as error:
        raise SystemExit(f"the service does not start: {error}") from None


def open_live_application(
    *, package: Path, release: Path, features: EventFeatures
) -> LiveApplication:
    """Verify and load what a service serves; exit with a clear message instead of serving it.

    The store is opened later, by `LiveService`: processes that only look at the service must not
    hold it. ``FIN_KEDRO_STORE`` is its address; by default a log in ``data/online/<workflow>``
    under the folder where the service is started. ``FIN_KEDRO_WORKERS`` says how many processes
    serve (1); more than one need a store that they can share.
    """
    with web.plain_refusal(package):
        found, record = web.released_package(package=package, release=release)
        check_features(found, features)
        scorer = Scorer(found, version=web.version_of(record), reference=features.id)
        workers = worker_count(os.environ.setdefault(STORE, f"log:data/online/{found.workflow}"))
    web.keep_values_out_of_logs()
    body = event_body(found.contract, scorer.words, features)
    return LiveApplication(
        scorer=scorer,
        release=record,
        operations=[_scoring(body, scorer, features), _learning(body, features)],
        note=f"the example is a made-up {body.row}; executed, it is counted like any other.",
        features=features,
        settings={**web.SETTINGS, "workers": workers},
    )


def worker_count(store: str) -> int:
    """Return how many processes serve; raise ValueError when the store is for one only."""
    text = os.environ.get(WORKERS) or "1"
    if not (text.isdigit() and int(text)):
        raise ValueError(f"{WORKERS} is {text!r}; write a whole number from 1.")
    if int(text) > 1 and store.partition(":")[0] in EMBEDDED:
        raise ValueError(
            f"{WORKERS} is {text}, and the store {store} is for one process. Share a Redis store "
            f"({STORE}=redis://HOST:PORT/DB), or leave {WORKERS} out."
        )
    return int(text)


def _scoring(body: Body, scorer: Scorer, features: EventFeatures) -> pages.Operation:
    history = pydantic.Field(None, description=f"what was looked up: {', '.join(features.names)}")
    decision = decision_model(
        scorer.words, reference=features.id, history=(dict[str, int | None] | None, history)
    )
    return web.scoring_operation(
        body,
        decision,
        description="In the order of the request: the history of each is looked up as it stands at "
        f"its {features.known}, then it is counted itself. All of a request are counted, or none. "
        f"What comes again under its {features.id} changes nothing and gets the same answer.",
        examples=[example(body.contract, body.columns)],
    )


def _learning(scored: Body, features: EventFeatures) -> pages.Operation:
    body = label_body(scored.contract, features)
    known = pydantic.Field(description="false: it was known already, or is too old to matter")
    members: dict[str, Any] = {
        features.label_id: (int | str, ...),
        features.id: (int | str, ...),
        "learned": (bool, known),
    }
    learned = pydantic.create_model("Learned", __doc__="What became of one label.", **members)
    return pages.Operation(
        body=body,
        request=web.request_of(body, name="LabelsRequest"),
        answer=web.answer_of(body, "labels", learned, name="LabelsAnswer"),
        name="learn",
        tag="labels",
        summary=f"Say which {scored.rows} were {features.label}, or were not after all",
        description=f"The latest label of a {scored.row} counts, from its {features.known} on. A "
        f"label that comes before its {scored.row} waits for it.",
        examples=[example(body.contract, body.columns)],
    )
