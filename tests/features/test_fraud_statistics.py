"""Statistics of the fraud workflow: the Handbook's windows, and what each says of itself."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from fin_kedro.features.fraud_statistics import (
    LARGEST_SQUARED,
    fraud_statistics,
    handbook_statistics,
)
from fin_kedro.features.history import offline
from fin_kedro.features.windows import DAY, HOUR
from fin_kedro.simulation.card_transactions import simulate

ALL = [*fraud_statistics.row_values, *fraud_statistics.statistics]


@pytest.fixture(scope="module")
def world() -> Any:
    settings = {"customers": 50, "terminals": 30, "days": 60, "radius": 60}
    made = simulate(settings=settings, seed=2)
    # one purchase an instant: pandas counts those before it in the file at ties, we count none
    rows = made.transactions.sort_values(["event_us", "transaction_id"])
    rows["event_us"] += np.arange(len(rows))
    return rows.assign(known_us=rows["event_us"]), made.labels


def test_the_handbooks_statistics_are_part_of_ours() -> None:
    assert set(handbook_statistics.names) <= set(fraud_statistics.names)
    assert len(handbook_statistics.statistics) == 12
    assert handbook_statistics.horizon_us == fraud_statistics.horizon_us == 37 * DAY


@pytest.mark.parametrize("days", [1, 7, 30])
def test_windows_are_those_that_pandas_rolls(world: Any, days: int) -> None:
    rows, labels = world
    made = offline(handbook_statistics, ibis.memtable(rows), ibis.memtable(labels)).execute()
    made = made.set_index("transaction_id").loc[rows["transaction_id"]]
    when = pd.to_datetime(rows["event_us"].to_numpy(), unit="us")
    timed = rows.set_index(when).assign(one=1)
    for column, source in (("count", "one"), ("sum", "amount_cents")):
        rolled = timed.groupby("customer_id")[[source, "transaction_id"]].apply(
            lambda g, source=source: pd.DataFrame(
                {
                    "id": g["transaction_id"].to_numpy(),
                    "value": g[source].rolling(f"{days}D").sum().to_numpy(),
                }
            )
        )
        expected = rolled.set_index("id")["value"].loc[made.index]
        assert (made[f"customer_{column}_{days}d"] == expected).all()
    counted = timed.groupby("terminal_id")[["one", "transaction_id"]].apply(
        lambda g: pd.DataFrame(
            {
                "id": g["transaction_id"].to_numpy(),
                "value": (
                    g["one"].rolling(f"{days + 7}D").sum() - g["one"].rolling("7D").sum()
                ).to_numpy(),
            }
        )
    )
    expected = counted.set_index("id")["value"].loc[made.index]
    assert (made[f"terminal_count_{days}d"] == expected).all()


def test_the_week_begins_on_monday_and_the_day_at_midnight() -> None:
    day, week = (v.value for v in fraud_statistics.row_values)
    saturday = pd.Timestamp("2018-04-07 13:30:00", tz="UTC").value // 1000
    assert day({"event_us": saturday}) == 13 * HOUR + HOUR // 2
    assert week({"event_us": saturday}) == 5 * DAY + 13 * HOUR + HOUR // 2


def test_everything_says_what_it_is_and_where_the_idea_is_from() -> None:
    for made in ALL:
        assert made.description.endswith(".") and made.source and made.unit, made.name
        assert made.reason and not made.reason.endswith("."), made.name
    codes = [made.reason_code for made in ALL]
    assert len(set(codes)) == len(codes) and all(code.isupper() for code in codes)


def test_squares_stay_within_what_stores_and_doubles_hold_exactly() -> None:
    squares = [s for s in fraud_statistics.statistics if s.name.startswith("customer_squares")]
    assert len(squares) == 3
    for s in squares:
        assert s.value is not None
        assert s.value({"amount_cents": 12_345}) == 12_345**2
        assert s.value({"amount_cents": 100_000_000}) == LARGEST_SQUARED**2 < 2**44


def test_velocity_leaves_the_present_purchase_out_and_the_handbook_does_not() -> None:
    by_name = {s.name: s for s in fraud_statistics.statistics}
    assert not by_name["customer_count_10min"].includes_current
    assert by_name["customer_count_1d"].includes_current
    assert by_name["terminal_frauds_7d"].delay_us == 7 * DAY
    assert by_name["customer_known_frauds_30d"].delay_us == 0
