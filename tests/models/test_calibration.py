"""Calibration keeps the order, meets the bad rate, and refuses what it cannot fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fin_kedro.models.calibration import calibrate, fit_platt

Sample = tuple[np.ndarray, np.ndarray]


@st.composite
def scored(draw: st.DrawFn) -> Sample:
    """Draw scores whose scale and place are off, and outcomes that follow them."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    truth = rng.normal(
        draw(st.floats(-2, 2)), draw(st.floats(0.3, 2)), draw(st.integers(200, 2000))
    )
    y = (rng.random(len(truth)) < 1 / (1 + np.exp(-truth))).astype(int)
    scores = truth * draw(st.floats(0.2, 5)) + draw(st.floats(-3, 3))
    assume(20 < y.sum() < len(y) - 20 and np.corrcoef(scores, y)[0, 1] > 0.1)
    return scores, y


@settings(max_examples=40, deadline=None)
@given(scored())
def test_the_order_is_kept(sample: Sample) -> None:
    scores, y = sample
    probability = calibrate(fit_platt(log_odds=scores, y=y), np.sort(scores))
    assert (np.diff(probability) >= 0).all()
    assert ((probability > 0) & (probability < 1)).all()


@settings(max_examples=40, deadline=None)
@given(scored())
def test_the_mean_probability_is_the_bad_rate_but_for_platts_targets(sample: Sample) -> None:
    scores, y = sample
    probability = calibrate(fit_platt(log_odds=scores, y=y), scores)
    bad, good = y.sum(), len(y) - y.sum()
    targets = np.where(y == 1, (bad + 1) / (bad + 2), 1 / (good + 2))
    assert probability.mean() == pytest.approx(targets.mean(), abs=1e-5)
    assert probability.mean() == pytest.approx(y.mean(), abs=0.01)


@settings(max_examples=20, deadline=None)
@given(scored(), st.floats(0.2, 5), st.floats(-3, 3))
def test_scale_and_place_of_the_scores_do_not_matter(
    sample: Sample, scale: float, shift: float
) -> None:
    scores, y = sample
    first = calibrate(fit_platt(log_odds=scores, y=y), scores)
    moved = scores * scale + shift
    assert first == pytest.approx(calibrate(fit_platt(log_odds=moved, y=y), moved), abs=1e-4)


def test_scores_that_are_right_stay_as_they_are() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(-1, 1.5, 50_000)
    y = (rng.random(len(scores)) < 1 / (1 + np.exp(-scores))).astype(int)
    fitted = fit_platt(log_odds=scores, y=y)
    assert (fitted["slope"], fitted["intercept"]) == pytest.approx((1, 0), abs=0.05)
    assert json.loads(json.dumps(fitted)) == fitted


def test_scores_that_part_the_outcomes_give_no_certainty() -> None:
    scores, y = np.repeat([-5.0, 5.0], 20), np.repeat([0, 1], 20)
    probability = calibrate(fit_platt(log_odds=scores, y=y), scores)
    assert probability.min() > 0.01 and probability.max() < 0.99


SCORES, BAD = np.array([-2.0, -1.0, 0.5, 1.0]), np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("scores", "y", "said"),
    [
        (SCORES, BAD[:3], "one finite score per outcome"),
        (np.array([0, 1, 2, np.nan]), BAD, "one finite score per outcome"),
        (np.array([0, 1, 2, np.inf]), BAD, "one finite score per outcome"),
        (SCORES, np.zeros(4, int), "both outcomes; 0 of 4 are bad"),
        (SCORES, np.ones(4, int), "both outcomes; 4 of 4 are bad"),
        (-SCORES, BAD, "higher scores go with fewer bads"),
    ],
    ids=["lengths", "NaN", "infinite", "no bad", "no good", "upside down"],
)
def test_what_cannot_be_calibrated_is_refused(scores: np.ndarray, y: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_platt(log_odds=scores, y=y)
