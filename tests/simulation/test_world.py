"""What is fixed before the first purchase: customers, and who is compromised when."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fin_kedro.simulation.card_transactions import Simulation, simulate
from tests.simulation.worlds import DAY


def test_customers_are_uniform(world: Simulation) -> None:
    ranges = {"place_x": (0, 1e5), "place_y": (0, 1e5), "mean_amount": (5, 100), "rate": (0, 4)}
    for name, (low, high) in ranges.items():
        found = stats.kstest(world.customers[name], stats.uniform(low, high - low).cdf)
        assert found.pvalue > 1e-4, name


@given(daily=st.floats(0, 7), days=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_a_fractional_number_a_day_holds_over_time(daily: float, days: int) -> None:
    count = 100  # so few that each has purchases on the last day, about 20
    long = {"terminals": {"daily": daily, "days": 3_000}, "customers": {"daily": 0}}
    tiny = {"factor": 1, "customers": 2, "terminals": count, "radius": 150, "days": days}
    bought = {"rate": [1_000, 1_000], "time_of_day": [43_200, 0], "fraud": long}
    world = simulate(settings=tiny | bought, seed=1)
    last = world.transactions["event_us"].max() // DAY
    on_last = world.transactions["event_us"] // DAY == last
    bad = set(world.labels.query("fraud_type == 'terminal'")["transaction_id"])
    seen = world.transactions[on_last & world.transactions["transaction_id"].isin(bad)]
    taken = seen["terminal_id"].nunique()
    begun = [int(daily * (day + 1)) - int(daily * day) for day in range(days)]
    assert max(begun) <= taken <= min(int(daily * days), count)
    # one may be taken over again on another day: so many different ones are to be expected
    mean = count * (1 - np.prod([1 - cases / count for cases in begun]))
    assert taken > mean - 6 * np.sqrt(mean * (1 - mean / count)) - 1
