"""The candidate is gated by parity and proved by rows of nobody."""

from __future__ import annotations

import json
from typing import Any

import onnx
import pandas as pd
import pytest

from fin_kedro.governance.gates import GateError
from fin_kedro.models.graph import score_frame
from fin_kedro.pipelines.training import assemble, train
from tests.pipelines.samples import FEATURES, applications, settings
from tests.pipelines.training.training_run import CONTRACT, LIMITS


def parity(done: dict[str, Any], **changes: Any) -> dict[str, Any]:
    d = {**done, "limits": LIMITS, **changes}
    return assemble.check_parity(
        d["accepted"], CONTRACT, d["scores"], *d["graphs"], d["policy"], d["limits"]
    )


def candidate(done: dict[str, Any]) -> dict[str, Any]:
    d, found = done, {"champion": {"max_abs_diff": 0.0}, "scorecard": {"max_abs_diff": 0.0}}
    return assemble.assemble_candidate(
        d["accepted"], CONTRACT, d["scores"], d["features"], FEATURES, d["champion"],
        d["scorecard"], *d["graphs"], d["calibrations"], d["policy"], found,
    )  # fmt: skip


def test_graph_and_python_agree(done: dict[str, Any]) -> None:
    rows = (done["scores"]["part"] == "test").sum()
    for figures in parity(done).values():
        assert figures["max_abs_diff"] <= 1e-6
        assert (figures["decisions_differ"], figures["rows"]) == (0, rows)


def test_raw_rows_come_in_the_order_asked_for(done: dict[str, Any]) -> None:
    wanted = ["7", "3", "900"]
    rows = assemble.raw_rows(done["accepted"], CONTRACT, wanted)
    frame = applications().set_index(applications()["number"].astype(str)).loc[wanted]
    assert rows.index.tolist() == wanted
    assert rows["debt"].tolist() == frame["debt"].tolist()


def test_a_wrong_graph_stops_the_run(done: dict[str, Any]) -> None:
    champion, scorecard = done["graphs"]
    with pytest.raises(
        GateError, match=r"gate parity failed: the champion's.*limit 1e-05.*limit 0"
    ):
        parity(done, graphs=(scorecard, champion))
    with pytest.raises(GateError, match="gate parity failed: the scorecard's"):
        parity(done, graphs=(champion, champion))


def test_one_changed_decision_stops_the_run_however_small_the_gap(done: dict[str, Any]) -> None:
    test = done["scores"].query("part == 'test'")
    nudged = done["scores"].copy()
    nudged.loc[test.index[0], "champion_probability"] += 1e-7
    between = test["champion_probability"].iloc[0] + 5e-8
    policy = {**done["policy"], "threshold": between}
    with pytest.raises(GateError, match="in 1 decisions"):
        parity(done, scores=nudged, policy=policy)


def test_golden_rows_are_nobody(done: dict[str, Any]) -> None:
    golden = [tuple(row["application"].values()) for row in candidate(done)["golden"]]
    columns = [c.name for c in CONTRACT.features]
    people = {tuple(row) for row in applications()[columns].itertuples(index=False)}
    assert len(golden) == len(set(golden)) == assemble.GOLDEN_ROWS
    assert not people & set(golden)


def test_golden_rows_follow_the_contract_and_are_plain_json(done: dict[str, Any]) -> None:
    golden = candidate(done)["golden"]
    assert json.loads(json.dumps(golden)) == golden
    for row in golden:
        for name, value in row["application"].items():
            column = CONTRACT.columns[name]
            as_read = float(value) if column.type == "number" else value
            assert column.problem(as_read) is None, (name, value)


def test_the_graph_gives_the_golden_probabilities(done: dict[str, Any]) -> None:
    made = candidate(done)
    rows = pd.DataFrame([row["application"] for row in made["golden"]])
    probability, _ = score_frame(onnx.load_from_string(made["model"]), rows)
    expected = [row["probability"] for row in made["golden"]]
    assert probability == pytest.approx(expected, abs=1e-6)
    assert made["decision"]["parity"] == {"max_abs_diff": 0.0}


def test_the_deciding_models_graph_is_packed(done: dict[str, Any]) -> None:
    policy = train.set_decision_policy(settings(model="scorecard"))
    made = candidate({**done, "policy": policy})
    assert made["model"] == done["graphs"][1].SerializeToString(deterministic=True)
