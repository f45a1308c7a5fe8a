"""The simulated world: its published rules as distributions, its seeds, its reports, its drift."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_rows, check_structure
from fin_kedro.simulation.card_transactions import Simulation, simulate
from tests.simulation.worlds import DAY, DRIFT, QUIET, SMALL, UNTIDY, made

CONTRACTS = Path(__file__).parents[2] / "conf/base/contracts"

START = int(datetime(2018, 4, 1, tzinfo=UTC).timestamp()) * 1_000_000


def truth(world: Simulation) -> pd.Series:
    """The latest report of each transaction that has one; by transaction, fraud as 0 or 1."""
    ordered = world.labels.sort_values(["known_us", "label_id"])
    return ordered.drop_duplicates("transaction_id", keep="last").set_index("transaction_id")[
        "fraud"
    ]


def frauds(world: Simulation) -> set[int]:
    last = truth(world)
    return set(last.index[last == 1])


@pytest.mark.parametrize("changes", [{}, UNTIDY, {"drift": DRIFT}], ids=["tidy", "untidy", "drift"])
def test_the_tables_follow_their_contracts(changes: dict[str, Any]) -> None:
    world = made(changes)
    for name, data in (("card_transactions", world.transactions), ("fraud_labels", world.labels)):
        contract = read_contract(CONTRACTS / f"{name}.odcs.yaml")
        assert list(data.columns) == list(contract.columns)
        check_structure(contract, ibis.memtable(data))
        check_rows(contract, ibis.memtable(data))
        whole = [c.name for c in contract.columns.values() if c.type == "integer"]
        assert (data[whole].dtypes == np.int64).all()


def test_transactions_are_numbered_in_the_order_of_time(world: Simulation) -> None:
    table = world.transactions
    assert list(table["transaction_id"]) == list(range(len(table)))
    assert table["event_us"].is_monotonic_increasing
    assert table["event_us"].between(START, START + 60 * DAY, inclusive="neither").all()
    assert (table["known_us"] == table["event_us"]).all()


def test_a_transaction_has_the_place_of_its_terminal(world: Simulation) -> None:
    both = world.transactions.merge(world.terminals, on="terminal_id", suffixes=("", "_there"))
    assert len(both) == len(world.transactions)
    assert (both["place_x"] == both["place_x_there"]).all()
    assert (both["place_y"] == both["place_y_there"]).all()


def test_no_transaction_is_outside_the_radius() -> None:
    world = made({"factor": 0.25, "radius": 4})
    both = world.transactions.merge(world.customers, on="customer_id", suffixes=("", "_home"))
    distance = np.hypot(
        both["place_x"] - both["place_x_home"], both["place_y"] - both["place_y_home"]
    )
    assert len(both) == len(world.transactions)
    assert distance.max() <= 8_000  # the radius grows as the root of the factor shrinks
    assert distance.max() > 7_500


def test_purchases_a_day_are_poisson_with_the_customers_rate() -> None:
    world = made({"time_of_day": [43_200, 0]}, QUIET)  # nothing falls outside of the day
    counts = world.transactions.groupby("customer_id").size()
    counts = counts.reindex(world.customers["customer_id"], fill_value=0)
    expected = world.customers["rate"] * 60
    chi = ((counts - expected) ** 2 / expected.clip(lower=1e-9))[expected > 5]
    assert 1e-4 < stats.chi2.cdf(chi.sum(), len(chi)) < 1 - 1e-4
    assert abs(counts.sum() - expected.sum()) < 5 * expected.sum() ** 0.5


def test_the_time_of_day_is_normal_inside_the_day(world: Simulation) -> None:
    second = world.transactions["event_us"] % DAY / 1e6
    inside = stats.truncnorm(-43_200 / 20_000, 43_200 / 20_000, 43_200, 20_000)
    assert stats.kstest(second + 0.5, inside.cdf).statistic < 1.95 / len(second) ** 0.5


def test_amounts_are_normal_and_drawn_again_where_negative() -> None:
    world = made(QUIET, {"mean_amount": [40, 40]})
    units = world.transactions["amount_cents"].to_numpy() / 100
    draws = np.random.default_rng(0)
    normal = draws.normal(40, 20, 1_000_000)
    expected = np.where(normal < 0, draws.uniform(0, 80, len(normal)), normal)
    assert units.min() >= 0
    assert stats.ks_2samp(units, expected).statistic < 1.95 / len(units) ** 0.5


def test_every_amount_over_the_threshold_is_fraud(world: Simulation) -> None:
    table = world.transactions
    over = set(table["transaction_id"][table["amount_cents"] > 22_000])
    assert over
    assert over <= frauds(world)
    named = world.labels.set_index("transaction_id")["fraud_type"]
    assert set(named.index[named == "high_amount"]) <= over


def test_all_purchases_at_a_terminal_taken_over_are_fraud_for_its_days() -> None:
    only = {"fraud": {"terminals": {"daily": 20, "days": 5}, "customers": {"daily": 0}}}
    world = made(only)
    table = world.transactions.assign(day=(world.transactions["event_us"] - START) // DAY)
    bad = world.labels.query("fraud_type == 'terminal'")["transaction_id"]
    table["bad"] = table["transaction_id"].isin(bad)
    share = table.groupby(["terminal_id", "day"])["bad"].mean()
    assert share.isin([0, 1]).all()
    taken = table[table["bad"]].groupby("day")["terminal_id"].nunique()
    assert taken.loc[0] <= 2 and taken.loc[10:].max() <= 10  # 2 a day (a tenth of 20), 5 days each
    assert 5 < taken.loc[10:].mean() < 8  # a terminal has about one purchase a day, often none


def test_a_third_of_a_stolen_cards_purchases_is_fraud_at_five_times_the_amount() -> None:
    quiet = {"fraud": {"terminals": {"daily": 0}, "customers": {"daily": 0}}}
    stolen = {"fraud": {"terminals": {"daily": 0}, "customers": {"daily": 30}}}
    before, after = made(quiet).transactions, made(stolen)
    bad = after.labels.query("fraud_type == 'customer'")["transaction_id"].to_numpy()
    dearer = after.transactions["amount_cents"] != before["amount_cents"]
    assert set(np.flatnonzero(dearer)) <= set(bad)
    cents = after.transactions["amount_cents"].to_numpy()
    assert (cents[bad] == 5 * before["amount_cents"].to_numpy()[bad]).all()
    table = after.transactions.assign(day=(after.transactions["event_us"] - START) // DAY)
    spans = table.iloc[bad].groupby("customer_id")["day"].agg(["min", "max"])
    stolen_rows = table.merge(spans, left_on="customer_id", right_index=True)
    inside = stolen_rows[stolen_rows["day"].between(stolen_rows["min"], stolen_rows["max"])]
    share = inside["transaction_id"].isin(bad).mean()
    assert 0.30 < share < 0.45  # seen from the first to the last fraud, so a little above a third


def test_equal_seeds_give_equal_worlds() -> None:
    first, second = (made(UNTIDY, {"drift": DRIFT}) for _ in range(2))
    for name in ("customers", "terminals", "transactions", "labels"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_another_seed_gives_another_world(world: Simulation) -> None:
    other = made(seed=6)
    assert not world.customers["rate"].equals(other.customers["rate"])
    assert not world.terminals["place_x"].equals(other.terminals["place_x"])
    assert len(world.transactions) != len(other.transactions)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True, None])
def test_a_seed_that_is_none(seed: Any) -> None:
    with pytest.raises(ValueError, match=f"the seed is {seed!r}; allowed is a whole number"):
        simulate(settings=SMALL, seed=seed)


def test_more_days_leave_the_first_ones_as_they_were(world: Simulation) -> None:
    longer = made({"days": 65})
    rows = len(world.transactions)
    pd.testing.assert_frame_equal(longer.transactions[:rows], world.transactions)
    assert frauds(world) == {i for i in frauds(longer) if i < rows}


def test_fraud_becomes_known_after_the_delay(world: Simulation) -> None:
    known = world.labels.merge(world.transactions, on="transaction_id", suffixes=("", "_there"))
    assert (known["known_us"] == known["event_us"] + 7 * DAY).all()
    assert world.labels["transaction_id"].is_unique and (world.labels["fraud"] == 1).all()


def test_reports_are_numbered_as_they_become_known(untidy: Simulation) -> None:
    assert list(untidy.labels["label_id"]) == list(range(len(untidy.labels)))
    assert untidy.labels["known_us"].is_monotonic_increasing


def test_how_reports_come_changes_neither_transactions_nor_the_truth(
    world: Simulation, untidy: Simulation
) -> None:
    late_too = made({"labels": UNTIDY["labels"]})
    pd.testing.assert_frame_equal(late_too.transactions, world.transactions)
    assert frauds(untidy) == frauds(late_too) == frauds(world)


def test_false_alarms_are_genuine_and_cleared(world: Simulation, untidy: Simulation) -> None:
    alarms = untidy.labels[untidy.labels["fraud_type"].isna()]
    values = alarms.sort_values("known_us").groupby("transaction_id")["fraud"].agg(list)
    assert (values.map(tuple) == (1, 0)).all()
    assert not set(values.index) & frauds(world)
    expected = 0.002 * (len(world.transactions) - len(frauds(world)))
    assert abs(len(values) - expected) < 5 * expected**0.5


def test_reports_are_late_withdrawn_and_confirmed_as_often_as_asked(untidy: Simulation) -> None:
    real = untidy.labels[untidy.labels["fraud_type"].notna()].sort_values("known_us")
    values = real.groupby("transaction_id")["fraud"].agg(tuple)
    assert set(values) == {(1,), (1, 0, 1)}
    count = len(values)
    assert abs((values == (1, 0, 1)).mean() - 0.1) < 5 * (0.09 / count) ** 0.5
    first = real.drop_duplicates("transaction_id").set_index("transaction_id")["known_us"]
    delay = (first - untidy.transactions["known_us"].reindex(first.index)) / DAY
    assert delay.min() == 7 and delay.max() <= 27
    assert abs((delay > 7).mean() - 0.2) < 5 * (0.16 / count) ** 0.5


def test_late_transactions_are_as_many_and_as_late_as_asked(untidy: Simulation) -> None:
    late = untidy.transactions["known_us"] - untidy.transactions["event_us"]
    assert late.min() == 0 and late.max() <= 90 * 60_000_000
    assert abs((late > 0).mean() - 0.02) < 5 * (0.02 / len(late)) ** 0.5


@pytest.mark.parametrize("change", DRIFT, ids=lambda d: d["kind"])
def test_drift_begins_at_its_date(world: Simulation, change: dict[str, Any]) -> None:
    moved = made({"drift": [change]})
    begins = START + 30 * DAY
    before = [w.transactions[w.transactions["event_us"] < begins] for w in (world, moved)]
    pd.testing.assert_frame_equal(*before)
    rows = len(before[0])
    assert {i for i in frauds(world) if i < rows} == {i for i in frauds(moved) if i < rows}
    on_the_day = [
        w.transactions[w.transactions["event_us"].between(begins, begins + DAY, inclusive="left")]
        for w in (world, moved)
    ]
    assert not on_the_day[0].equals(on_the_day[1]) or frauds(world) != frauds(moved)


def test_card_testing_is_many_small_purchases_within_minutes() -> None:
    moved = made({"drift": [DRIFT[0] | {"minutes": 5, "purchases": 6}]})
    rows = moved.labels.query("fraud_type == 'card_testing'")["transaction_id"]
    tests = moved.transactions.iloc[rows]
    assert tests["amount_cents"].between(100, 500).all()
    bursts = tests.groupby(["customer_id", tests["event_us"] // DAY])["event_us"]
    assert (bursts.size() == 6).all()
    assert (bursts.max() - bursts.min()).max() <= 5 * 60_000_000
    assert len(bursts) == 3 * 30  # 3 a day (a tenth of 30), from the first of May to the 30th


def test_dearer_purchases_pass_the_threshold_without_being_fraud(world: Simulation) -> None:
    moved = made({"drift": [DRIFT[1]]})
    assert frauds(moved) == frauds(world)
    changed = moved.transactions["amount_cents"] != world.transactions["amount_cents"]
    assert not set(np.flatnonzero(changed)) & frauds(world)
    customers = moved.transactions.loc[changed, "customer_id"].nunique()
    assert 200 < customers < 300  # half of 500
    over = moved.transactions.query("amount_cents > 22000")["transaction_id"]
    assert set(over) - frauds(moved)


def test_a_ring_takes_over_neighbours(world: Simulation) -> None:
    moved = made({"drift": [DRIFT[2] | {"daily": 1 / 3, "terminals": 8, "days": 30}]})
    named = moved.labels.query("fraud_type == 'terminal_ring'")["transaction_id"]
    used = moved.transactions.iloc[named][["terminal_id", "place_x", "place_y"]].drop_duplicates()
    assert 1 <= len(used) <= 8  # one ring in these thirty days
    spread = np.hypot(*(used[c] - used[c].mean() for c in ("place_x", "place_y")))
    assert spread.max() < 15_000
    assert frauds(world) < frauds(moved)


def test_the_factor_scales_rows_and_keeps_density_and_fraud() -> None:
    one, four = made({"factor": 0.25}), made({"factor": 1})
    for name in ("customers", "terminals"):
        assert len(getattr(four, name)) == 4 * len(getattr(one, name))
    assert len(four.transactions) / len(one.transactions) == pytest.approx(4, rel=0.1)
    shares = [len(frauds(w)) / len(w.transactions) for w in (one, four)]
    assert shares[0] == pytest.approx(shares[1], rel=0.15)
    used = [
        w.transactions.groupby("customer_id")["terminal_id"].nunique().max() for w in (one, four)
    ]
    assert used[0] == pytest.approx(used[1], rel=0.25)


def test_a_world_without_purchases() -> None:
    world = made({"rate": [0, 0]})
    assert len(world.transactions) == len(world.labels) == 0
    assert (world.transactions.dtypes == np.int64).all()
