"""The published draws, repeated: blocks equal single draws, a customer's rows are in bounds.

That the whole is the published data set (its counts and first rows) is asserted in its notebook.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.simulation import published_data
from fin_kedro.simulation.world import DAY_SECONDS, FRAUD_TYPES


@given(seed=st.integers(0, 2**32 - 1), low=st.floats(-1e6, 1e6), span=st.floats(0, 1e6))
@settings(max_examples=50, deadline=None)
def test_a_block_of_uniform_numbers_is_single_draws_in_a_row(
    seed: int, low: float, span: float
) -> None:
    ends = ((low, low + span), (0, 4))
    drawn = np.random.RandomState(seed)
    singly = [[drawn.uniform(*e) for e in ends] for _ in range(5)]
    assert published_data._uniform(seed, *ends, count=5).tolist() == singly


@given(customer=st.integers(0, 4_999), near=st.lists(st.integers(0, 9_999), unique=True))
@settings(max_examples=25, deadline=None)
def test_a_customers_purchases(customer: int, near: list[int]) -> None:
    rows = list(published_data._purchases(customer, 50.0, 2.0, near))
    assert bool(rows) == bool(near)
    assert rows == list(published_data._purchases(customer, 50.0, 2.0, near))
    for second, who, terminal, cents in rows:
        assert who == customer and terminal in near and cents >= 0
        assert second % DAY_SECONDS > 0 and second < published_data.DAYS * DAY_SECONDS
    days = [second // DAY_SECONDS for second, *_ in rows]
    assert days == sorted(days)


def test_the_later_rule_names_a_fraud_and_stolen_cards_pay_five_times() -> None:
    second = np.arange(0, published_data.DAYS * DAY_SECONDS, 300)
    draws = np.random.default_rng(0)
    bought = {
        "second": second,
        "customer": draws.integers(0, 50, len(second)),
        "terminal": draws.integers(0, 50, len(second)),
        "cents": np.full(len(second), 30_000),
    }
    found = published_data._with_frauds(bought)
    names = np.array(FRAUD_TYPES)[found["fraud"]]
    assert set(names) <= {"high_amount", "terminal", "customer"}  # every amount is over 220
    assert ((names == "customer") == (found["cents"] > 30_000)).all()
    assert set(found["cents"]) <= {30_000 * 5**times for times in range(4)}
    assert (bought["cents"] == 30_000).all()  # the input is left alone


@pytest.mark.parametrize(("day", "length"), [(0, 28), (100, 14), (181, 28)])
def test_a_case_lasts_its_days_and_no_longer(day: int, length: int) -> None:
    per_day = 7
    first_row = np.arange(published_data.DAYS + 1) * per_day
    everyone = np.tile(np.arange(per_day), published_data.DAYS)
    rows = published_data._rows_of(everyone, per_day, per_day, day, length, first_row)
    assert rows.min() == day * per_day
    assert rows.max() == min(day + length, published_data.DAYS) * per_day - 1
