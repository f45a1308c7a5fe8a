"""Money saved is what the losses differ by; a cost table that makes no sense is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.cards import Scored
from fin_kedro.checks.money import money_curve, saved_cents, worth_flagging
from tests.checks.banks import COSTS, bank_of, banks, slow_saved


@given(banks(), st.floats(0, 1))
def test_saved_money_is_what_the_losses_differ_by(data: Scored, threshold: float) -> None:
    saved = saved_cents(data, flagged=data.score >= threshold, costs=COSTS).sum()
    assert saved == pytest.approx(slow_saved(data, threshold))


@given(banks())
def test_no_rule_is_expected_to_save_more_than_the_one_that_knows_the_amount(data: Scored) -> None:
    """Expected savings under the stated probabilities: each transaction's own best decision."""
    fraud = replace(data, target=np.ones_like(data.target))
    genuine = replace(data, target=np.zeros_like(data.target))

    def expected(flagged: np.ndarray) -> float:
        of = [saved_cents(d, flagged=flagged, costs=COSTS) for d in (fraud, genuine)]
        return float((data.score * of[0] + (1 - data.score) * of[1]).sum())

    # flagging is worth the review where p * share * amount exceeds review + (1 - p) * friction
    best = expected(worth_flagging(data, costs=COSTS))
    for cut in (0, *np.unique(data.score), 2):
        assert expected(data.score >= cut) <= best + 1e-6


def test_the_money_curve_goes_through_the_threshold() -> None:
    data = bank_of(1, rows=400)
    curve = money_curve(data, costs=COSTS, points=11)
    row = curve.iloc[4]
    saved = slow_saved(data, row["threshold"]) / data.amount[data.target == 1].sum()
    assert row["saved_share"] == pytest.approx(saved)
    assert curve["flagged_share"].is_monotonic_decreasing


@pytest.mark.parametrize(
    "costs",
    [
        {**COSTS, "review": -1},
        {"review": 1, "friction": 1},
        {**COSTS, "fee": 1},
        {**COSTS, "review": float("nan")},
    ],
    ids=["negative", "missing", "unknown", "not a number"],
)
def test_a_cost_table_that_makes_no_sense_is_refused(costs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"detection\.costs is .*needs \['missed_fraud"):
        saved_cents(bank_of(1), flagged=np.ones(120, dtype=bool), costs=costs)
