"""The nodes of training, run by hand as the pipeline wires them."""

from __future__ import annotations

from typing import Any

from fin_kedro.features.model_table import build_model_table
from fin_kedro.pipelines.training import assemble, score, train
from tests.pipelines.samples import (
    CHAMPION,
    FEATURES,
    SCORECARD,
    SPLIT,
    applications,
    contract,
    settings,
    table,
)

CONTRACT, LIMITS = contract(), {"max_abs_diff": 1e-5}
BOOTSTRAP = {"replicates": 50, "seed": 1}
ALL_ROWS = {"rows": None, "seed": 1}


def run_training() -> dict[str, Any]:
    """Run the nodes of training by hand, as the pipeline wires them."""
    accepted = table(applications())
    model_table, features = build_model_table(accepted, CONTRACT, FEATURES, SPLIT)
    champion, trials = train.train_champion(model_table, features, CHAMPION)
    scorecard, _ = train.train_scorecard(model_table, features, SCORECARD)
    calibrations = train.calibrate_models(model_table, features, champion, scorecard)
    policy = train.set_decision_policy(settings())
    models = (champion, scorecard, calibrations)
    scores = score.score_rows(model_table, features, *models, policy)
    graphs = assemble.export_graphs(CONTRACT, features, FEATURES, *models)
    return {
        "accepted": accepted, "model_table": model_table, "features": features, "trials": trials,
        "champion": champion, "scorecard": scorecard, "calibrations": calibrations,
        "policy": policy, "scores": scores, "graphs": graphs,
    }  # fmt: skip


WEEKS = {
    "validation": "prequential", "metric": "average_precision", "folds": 2, "train_days": 10,
    "delay_days": 2, "test_days": 4, "card": "keep__card",
}  # fmt: skip


def in_time(done: dict[str, Any]) -> Any:
    """The model table with a time of 20 days and cards."""
    number = done["model_table"].entity_id.cast("int64")
    return done["model_table"].mutate(
        time=(number % 20) * 86_400_000_000 + number,
        keep__card=number % 60,
        keep__cents=(number % 7) * 1000,
        keep__kind=(number % 2 == 0).ifelse("even", "odd"),
    )
