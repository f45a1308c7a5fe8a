from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.profit import mean_profit, optimal_threshold, profit_curve, profit_of
from tests.checks.samples import scored

Sample = tuple[np.ndarray, np.ndarray]
COSTS = {"approve_good": 1.0, "approve_bad": -4.0, "decline_good": -0.1, "decline_bad": 0.2}


@st.composite
def cost_tables(draw: st.DrawFn) -> dict[str, float]:
    decline = draw(st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
    gains = draw(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)))
    return {
        "approve_good": decline[0] + gains[0],
        "approve_bad": decline[1] - gains[1],
        "decline_good": decline[0],
        "decline_bad": decline[1],
    }


@given(cost_tables(), st.floats(0, 1))
def test_threshold_maximises_expected_profit(costs: dict[str, float], probability: float) -> None:
    approve = (1 - probability) * costs["approve_good"] + probability * costs["approve_bad"]
    decline = (1 - probability) * costs["decline_good"] + probability * costs["decline_bad"]
    declined = probability >= optimal_threshold(costs)
    chosen, other = (decline, approve) if declined else (approve, decline)
    assert chosen >= other - 1e-9


def test_threshold_is_the_best_by_brute_force() -> None:
    probability = (np.arange(100_000) + 0.5) / 100_000
    target_rate = probability  # calibrated: the expected outcome is the probability itself
    earned = {
        t: np.where(
            probability >= t,
            (1 - target_rate) * COSTS["decline_good"] + target_rate * COSTS["decline_bad"],
            (1 - target_rate) * COSTS["approve_good"] + target_rate * COSTS["approve_bad"],
        ).sum()
        for t in np.linspace(0, 1, 201)
    }
    assert abs(max(earned, key=earned.__getitem__) - optimal_threshold(COSTS)) <= 0.0026


@given(scored(), st.floats(0, 1))
def test_profit_is_the_sum_of_outcomes(sample: Sample, threshold: float) -> None:
    target, probability = sample
    declined = probability >= threshold
    expected = sum(
        COSTS[f"{'decline' if d else 'approve'}_{'bad' if b else 'good'}"]
        for d, b in zip(declined, target, strict=True)
    )
    earned = profit_of(target=target, probability=probability, threshold=threshold, costs=COSTS)
    assert earned.sum() == pytest.approx(expected)


def test_who_stands_exactly_at_the_threshold_is_declined() -> None:
    earned = profit_of(target=[0, 1], probability=[0.3, 0.3], threshold=0.3, costs=COSTS)
    assert earned.tolist() == [COSTS["decline_good"], COSTS["decline_bad"]]


@given(scored())
def test_ends_of_the_curve_decline_and_approve_all(sample: Sample) -> None:
    target, probability = sample
    curve = profit_curve(target=target, probability=probability, costs=COSTS, points=11)
    assert curve["approval_rate"].iloc[[0, -1]].tolist() == [0, 1]
    assert curve["approval_rate"].is_monotonic_increasing


def test_interval_repeats_and_contains() -> None:
    rng = np.random.default_rng(1)
    probability = rng.uniform(size=500)
    target = (rng.uniform(size=500) < probability).astype(int)
    options = {"target": target, "probability": probability, "threshold": 0.2, "costs": COSTS}
    found = mean_profit(**options, replicates=100, seed=1)
    assert found == mean_profit(**options, replicates=100, seed=1)
    assert found["low"] <= found["value"] <= found["high"]


def test_cost_tables_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"lacks \['decline_bad'\]"):
        optimal_threshold({k: v for k, v in COSTS.items() if k != "decline_bad"})
    with pytest.raises(ValueError, match="a loss is negative"):
        optimal_threshold({**COSTS, "approve_bad": 4.0})
