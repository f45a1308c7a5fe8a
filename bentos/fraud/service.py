"""The fraud service: POST /score answers live transactions, POST /labels learns what they were."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml asks

import bentoml

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.serving import live_web, web

HERE = Path(__file__).parent
APPLICATION = live_web.open_live_application(
    workflow="fraud",
    package=Path(os.environ.get("FIN_KEDRO_PACKAGE", HERE / "package")),
    release=HERE / "release.json",
    features=fraud_statistics,
    rows="transactions",
)


@bentoml.service(
    name="fraud",
    service_class=web.service_class(APPLICATION),
    image=bentoml.images.Image(  # no distro: the stock one installs compilers and git
        base_image=f"python:{sys.version_info.major}.{sys.version_info.minor}-slim", distro=""
    ),
    **APPLICATION.settings,
)
@bentoml.asgi_app(web.pages_app(APPLICATION), path="/")
class Fraud(live_web.LiveService):
    """Decides on card transactions with the approved package and the feature store."""

    application = APPLICATION

    # Not async: BentoML then runs one call at a time in a thread, and the server answers others
    # while a store is slow. That costs 130 us of processor a request.
    @bentoml.api(route="/score", input_spec=APPLICATION.request, output_spec=APPLICATION.answer)
    def score(self, transactions: list, explain: bool) -> list:
        """Return one decision per transaction, in order."""
        return self.live.score([vars(row) for row in transactions], explain)

    @bentoml.api(
        route="/labels",
        input_spec=APPLICATION.labels.request,
        output_spec=APPLICATION.labels.answer,
    )
    def learn(self, labels: list) -> list:
        """Say of each label whether it was news."""
        return self.live.learn([vars(row) for row in labels])
