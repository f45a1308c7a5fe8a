from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from fin_kedro.checks.calibration import (
    brier,
    calibration_table,
    ece,
    log_loss,
    recalibration,
    reliability,
    spiegelhalter,
)
from tests.checks.samples import scored

Sample = tuple[np.ndarray, np.ndarray]


@given(scored())
def test_scores_are_those_of_scikit_learn(sample: Sample) -> None:
    target, probability = sample
    assert brier(target=target, probability=probability) == pytest.approx(
        brier_score_loss(target, probability)
    )
    assert log_loss(target=target, probability=probability) == pytest.approx(
        sklearn_log_loss(target, probability)
    )


@given(scored(), st.integers(1, 30))
def test_ece_lies_between_the_mean_gap_and_one(sample: Sample, bins: int) -> None:
    target, probability = sample
    found = ece(target=target, probability=probability, bins=bins)
    assert abs(target.mean() - probability.mean()) - 1e-12 <= found <= 1


@given(scored())
def test_ece_is_zero_for_certain_outcomes(sample: Sample) -> None:
    target, _ = sample
    assert ece(target=target, probability=target) == 0


def honest(rows: int = 20_000) -> Sample:
    rng = np.random.default_rng(2)
    probability = rng.beta(2, 6, rows)
    return (rng.uniform(size=rows) < probability).astype(int), probability


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_slope_is_recovered(slope: float) -> None:
    target, probability = honest()
    found = recalibration(target=target, probability=expit(logit(probability) / slope))
    assert found.loc["slope", "low"] < slope < found.loc["slope", "high"]


def test_slope_is_that_of_a_logistic_regression() -> None:
    target, probability = honest(2000)
    odds = logit(probability)[:, None]
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds, target)
    found = recalibration(target=target, probability=probability)["value"]
    assert found["slope"] == pytest.approx(expected.coef_[0, 0], rel=1e-4)
    assert found["intercept"] == pytest.approx(expected.intercept_[0], abs=1e-4)


@pytest.mark.parametrize("probability", [[0.1, 0.2, 0.8, 0.9], [0.3, 0.3, 0.3, 0.3]])
def test_no_slope_without_overlap_or_spread(probability: list[float]) -> None:
    found = recalibration(target=[0, 0, 1, 1], probability=probability)
    assert list(found.index) == ["intercept", "slope"] and found.isna().all(axis=None)


def test_spiegelhalter_sees_overconfidence_only() -> None:
    target, probability = honest()
    assert abs(spiegelhalter(target=target, probability=probability)["z"]) < 2.6
    sure = expit(1.5 * logit(probability))
    assert spiegelhalter(target=target, probability=sure)["p_value"] < 1e-9
    with pytest.raises(ValueError, match="undefined"):
        spiegelhalter(target=[0, 1], probability=[0.5, 0.5])


def test_table_repeats_and_contains_the_figures() -> None:
    target, probability = honest(1500)
    options = {"target": target, "probability": probability, "replicates": 100, "seed": 3}
    table = calibration_table(**options)
    assert table.equals(calibration_table(**options))
    assert table.index.tolist() == ["brier", "log_loss", "ece", "intercept", "slope"]
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    assert table.loc["ece", "value"] == pytest.approx(ece(target=target, probability=probability))


@given(scored())
def test_reliability_covers_every_row(sample: Sample) -> None:
    target, probability = sample
    table = reliability(target=target, probability=probability, bins=5)
    assert table["rows"].sum() == len(target)
    assert (
        (table["low"] - 1e-9 <= table["bad_rate"]) & (table["bad_rate"] <= table["high"] + 1e-9)
    ).all()
