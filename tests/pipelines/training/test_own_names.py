"""A bank's columns may be called as ours are: from raw rows to a candidate, none is mistaken."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest

from fin_kedro.contracts import Column, Contract
from fin_kedro.features.model_table import build_model_table, quarantine_broken_rows
from fin_kedro.pipelines.training import assemble, score, train
from tests.pipelines.samples import CHAMPION, SCORECARD, SPLIT, settings

# The signal stands in the first; the others are noise that must take nobody's place.
NAMES = (
    "REASON", "target", "part", "time", "row_order", "entity_id", "probability", "contributions",
    "_score", "place", "/0", "/c0", "feature__target", "self", "decision", "index",
)  # fmt: skip
ROWS = 900
FEATURES = {"definitions": None}


def own_contract() -> Contract:
    columns = [
        Column(name="id", type="string", role="id"),
        *(Column(name=name, type="number", role="feature", example=0.5) for name in NAMES),
        Column(name="outcome", type="integer", role="target", allowed=(0, 1)),
    ]
    return Contract(name="cases", version="1", columns={c.name: c for c in columns})


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({name: rng.normal(size=ROWS) for name in NAMES})
    bad = rng.random(ROWS) < 1 / (1 + np.exp(-2 * data["REASON"]))
    keys = [f"A{i:05d}" for i in range(ROWS)]
    made = data.assign(id=keys, outcome=bad.astype("int64"))
    made.loc[7, "target"] = np.inf  # for the quarantine
    return made


def test_names_of_our_own_columns_are_names_like_any_other() -> None:
    raw, contract = rows(), own_contract()
    accepted, broken, report = quarantine_broken_rows(
        ibis.memtable(raw), contract, {"largest_share": 0.01}
    )
    told = "target: inf is not allowed (any number)"
    assert report["by_reason"] == {told: 1}
    found = broken.execute().iloc[0]
    assert found["fin_kedro__reason"] == told
    assert found["REASON"] == raw.loc[7, "REASON"]

    model_table, features = build_model_table(accepted, contract, FEATURES, SPLIT)
    assert list(features) == list(NAMES)
    kept = raw.drop(index=7).set_index("id")
    frame = model_table.execute().set_index("entity_id").loc[kept.index]
    assert frame["target"].tolist() == kept["outcome"].tolist()
    assert set(frame["part"]) == {"train", "calibration", "test"}
    for name in ("target", "part", "entity_id", "row_order"):
        assert frame[f"feature__{name}"].tolist() == kept[name].tolist()

    champion, _ = train.train_champion(model_table, features, CHAMPION)
    scorecard, _ = train.train_scorecard(model_table, features, SCORECARD)
    calibrations = train.calibrate_models(model_table, features, champion, scorecard)
    policy = train.set_decision_policy(settings())
    models = (champion, scorecard, calibrations)
    scores = score.score_rows(model_table, features, *models, policy)
    assert scores.set_index("entity_id")["target"].to_dict() == kept["outcome"].to_dict()
    values, summary = score.explain_champion(
        model_table, features, champion, {"rows": None, "seed": 1}
    )
    assert max(summary["mean_absolute"], key=summary["mean_absolute"].get) == "REASON"
    assert set(values["entity_id"]) <= set(kept.index)

    graphs = assemble.export_graphs(contract, features, FEATURES, *models)
    limits = {"max_abs_diff": 1e-5}
    parity = assemble.check_parity(accepted, contract, scores, *graphs, policy, limits)
    package = assemble.assemble_candidate(
        accepted, contract, scores, features, FEATURES, champion, scorecard, *graphs,
        calibrations, policy, parity,
    )  # fmt: skip
    graph = assemble.score_frame(package["model"], package["input_example"])[0]
    golden = [row["probability"] for row in package["golden"]]
    assert graph == pytest.approx(golden[: len(graph)], abs=1e-6)
    assert set(package["golden"][0]["application"]) == set(NAMES)
