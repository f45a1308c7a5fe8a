"""The same scorer behind plain FastAPI on uvicorn: what `bench_service` compares with."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI

from fin_kedro.serving.scorer import Scorer
from fin_kedro.serving.web import score_request

scorer = Scorer.from_package(os.environ["FIN_KEDRO_PACKAGE"])
Request = score_request(scorer.package.contract)
app = FastAPI()


@app.get("/readyz")
async def ready() -> str:
    """Answer as the bento does."""
    return "ok"


@app.post("/score")
async def score(body: Request) -> Any:  # type: ignore[valid-type]
    """Return one decision per application."""
    return {"decisions": scorer.score([vars(row) for row in body.applications])}
