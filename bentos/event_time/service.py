"""The service of any event-time workflow: POST /score answers live rows, POST /labels learns.

Whose it is, and what a row is called, say the package and the release record beside this file;
service.json names the statistics of history that it computes.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml asks

import bentoml

from fin_kedro.contracts.requests import raw_row
from fin_kedro.serving import live_web, web

HERE = Path(__file__).parent
APPLICATION = live_web.open_live_application(
    package=Path(os.environ.get("FIN_KEDRO_PACKAGE", HERE / "package")),
    release=HERE / "release.json",
    features=live_web.named_statistics(HERE),
)


@bentoml.service(
    name=APPLICATION.workflow,
    service_class=web.service_class(APPLICATION),
    **APPLICATION.settings,
)
@bentoml.asgi_app(web.pages_app(APPLICATION), path="/")
class Service(live_web.LiveService):
    """Decides on rows as they happen, with the approved package and the feature store."""

    application = APPLICATION

    # Not async: BentoML then runs one call at a time in a thread, and the server answers others
    # while a store is slow. That costs 130 us of processor a request.
    @bentoml.api(route="/score", input_spec=APPLICATION.request, output_spec=APPLICATION.answer)
    def score(self, explain: bool, **named: list) -> list:
        """Return one decision per row, in order; rows come under the package's word for them."""
        (rows,) = named.values()
        return self.live.score([raw_row(row) for row in rows], explain)

    @bentoml.api(
        route="/labels",
        input_spec=APPLICATION.labels.request,
        output_spec=APPLICATION.labels.answer,
    )
    def learn(self, labels: list) -> list:
        """Say of each label whether it was news."""
        return self.live.learn([raw_row(row) for row in labels])
