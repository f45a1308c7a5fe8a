"""The service of any static workflow: POST /score answers rows with decisions.

Whose it is, and what a row is called, say the package and the release record beside this file.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml asks

import bentoml

from fin_kedro.contracts.requests import raw_row
from fin_kedro.serving import web

HERE = Path(__file__).parent
APPLICATION = web.open_application(
    package=Path(os.environ.get("FIN_KEDRO_PACKAGE", HERE / "package")),
    release=HERE / "release.json",
)


@bentoml.service(
    name=APPLICATION.workflow,
    service_class=web.service_class(APPLICATION),
    **web.SETTINGS,
)
@bentoml.asgi_app(web.pages_app(APPLICATION), path="/")
class Service:
    """Decides on rows with the approved package."""

    @bentoml.api(
        route="/score",
        input_spec=APPLICATION.request,
        output_spec=APPLICATION.answer,
        batchable=True,
        max_batch_size=1000,
        max_latency_ms=1000,
    )
    async def score(self, rows: list) -> list:  # rows of several requests at once
        """Return one decision per row, in order."""
        return APPLICATION.scorer.score([raw_row(row) for row in rows])
