"""Scores are the calibrated log odds; explanations are of the test part and add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fin_kedro.pipelines.training import score
from tests.pipelines.training.training_run import ALL_ROWS


def test_who_reaches_the_threshold_is_declined(done: dict[str, Any]) -> None:
    scores, threshold = done["scores"], done["policy"]["threshold"]
    declined = scores["champion_probability"] >= threshold
    assert (scores["decision"] == np.where(declined, "decline", "approve")).all()
    assert declined.any() and not declined.all()


def test_probabilities_are_the_calibrated_log_odds(done: dict[str, Any]) -> None:
    for name in ("champion", "scorecard"):
        c, scores = done["calibrations"][name], done["scores"]
        logit = c["slope"] * scores[f"{name}_log_odds"] + c["intercept"]
        expected = 1 / (1 + np.exp(-logit))
        np.testing.assert_allclose(scores[f"{name}_probability"], expected, rtol=1e-12)


def test_explanations_are_of_the_test_part_and_add_up(done: dict[str, Any]) -> None:
    values, summary = score.explain_champion(
        done["model_table"], done["features"], done["champion"], ALL_ROWS
    )
    test = done["scores"].query("part == 'test'")
    assert values["entity_id"].tolist() == test["entity_id"].tolist()
    total = values.drop(columns="entity_id").sum(axis=1) + summary["expected_log_odds"]
    assert total.to_numpy() == pytest.approx(test["champion_log_odds"].to_numpy(), abs=1e-8)


def test_a_bounded_sample_is_explained(done: dict[str, Any]) -> None:
    arguments = done["model_table"], done["features"], done["champion"]
    full, _ = score.explain_champion(*arguments, ALL_ROWS)
    some, summary = score.explain_champion(*arguments, {"rows": 50, "seed": 1})
    again, _ = score.explain_champion(*arguments, {"rows": 50, "seed": 1})
    other, _ = score.explain_champion(*arguments, {"rows": 50, "seed": 2})
    pd.testing.assert_frame_equal(some, again, check_exact=True)
    assert set(some["entity_id"]) != set(other["entity_id"])
    kept = full[full["entity_id"].isin(some["entity_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, kept)  # in the order of the table
    assert len(some) == 50
    means = some.drop(columns="entity_id").abs().mean()
    assert summary["mean_absolute"] == pytest.approx(means.to_dict())


@pytest.mark.parametrize("cells", [1, 700, 10**9])
def test_rows_are_scored_alike_however_many_at_a_time(
    done: dict[str, Any], monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    """A wide table goes to the models in parts."""
    monkeypatch.setattr(score, "CELLS_AT_ONCE", cells)
    table = done["model_table"].limit(120)
    named = ("features", "champion", "scorecard", "calibrations", "policy")
    found = score.score_rows(table, *(done[name] for name in named))
    expected = done["scores"].set_index("entity_id").loc[found["entity_id"]].reset_index()
    pd.testing.assert_frame_equal(found, expected[found.columns])
