"""Events and labels that nobody has had: who has several, when each became known, what was said."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import split_rows
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.sampling.events import EventTables, draw_events, learn_events, stated_events
from fin_kedro.sampling.tables import as_table
from fin_kedro.simulation.card_transactions import simulate
from tests.conftest import ROOT

Pair = tuple[pd.DataFrame, pd.DataFrame]
DAY = 86_400_000_000
WORLD = {
    "start": "2019-01-01", "days": 60, "factor": 0.05, "arrival": {"late_share": 0.05},
    "labels": {"late_share": 0.5, "late_days": 4, "corrected_share": 0.2, "correction_days": 3,
               "false_alarm_share": 0.002},
}  # fmt: skip


@functools.cache
def tables() -> EventTables:
    contracts = ROOT / "conf/base/contracts"
    return EventTables(
        fraud_statistics,
        read_contract(contracts / "card_transactions.odcs.yaml"),
        read_contract(contracts / "fraud_labels.odcs.yaml"),
    )


@pytest.fixture(scope="module")
def source() -> Pair:
    made = simulate(settings=WORLD, seed=5)
    return made.transactions, made.labels


@pytest.fixture(scope="module")
def sample(source: Pair) -> Pair:
    return draw_events(tables(), learn_events(tables(), *source), len(source[0]), seed=1)


def held(pair: Pair) -> None:
    """Both contracts, and what no contract of one table can say."""
    transactions, labels = pair
    for contract, frame in ((tables().transactions, transactions), (tables().labels, labels)):
        assert split_rows(contract, as_table(contract, frame))[1].count().execute() == 0
    assert (transactions["known_us"] >= transactions["event_us"]).all()
    dated = labels.merge(transactions, on="transaction_id", suffixes=("", "_of_event"))
    assert len(dated) == len(labels), "each label is of an event"
    assert (dated["known_us"] >= dated["event_us"]).all()
    assert labels["known_us"].is_monotonic_increasing and labels["label_id"].is_unique


def test_both_tables_keep_their_contracts(sample: Pair) -> None:
    held(sample)


def test_events_have_the_shape_of_the_source(source: Pair, sample: Pair) -> None:
    for name, slack in (("amount_cents", 0.03), ("place_x", 0.03)):
        there, here = (
            pair[0][name].astype(float).quantile([0.1, 0.5, 0.9]) for pair in (source, sample)
        )
        assert here.to_numpy() == pytest.approx(there.to_numpy(), rel=slack)
    late = [(p[0]["known_us"] > p[0]["event_us"]).mean() for p in (source, sample)]
    assert late[1] == pytest.approx(late[0], abs=0.01)
    hour = [
        (p[0]["event_us"].astype("int64") % DAY / DAY).quantile([0.25, 0.75])
        for p in (source, sample)
    ]
    assert hour[1].to_numpy() == pytest.approx(hour[0].to_numpy(), abs=0.02)


def test_entities_have_several_events_as_they_had(source: Pair, sample: Pair) -> None:
    for name in ("customer_id", "terminal_id"):
        counts = [pair[0][name].value_counts() for pair in (source, sample)]
        assert len(counts[1]) == pytest.approx(len(counts[0]), rel=0.05)
        assert counts[1].std() == pytest.approx(counts[0].std(), rel=0.2)


def test_reports_come_as_late_and_are_taken_back_as_often(source: Pair, sample: Pair) -> None:
    def told(pair: Pair) -> tuple[float, float, float, float]:
        dated = pair[1].merge(pair[0], on="transaction_id", suffixes=("", "_of_event"))
        first = dated.sort_values("known_us").groupby("transaction_id").first()
        waited = (first["known_us"] - first["event_us"]).astype(float) / DAY
        again = dated.groupby("transaction_id").size().gt(1).mean()
        frauds = dated[dated["fraud"] == 1]["transaction_id"].nunique() / len(pair[0])
        amount = dated["amount_cents"].astype(float).median() / pair[0]["amount_cents"].median()
        return waited.mean(), again, frauds, amount

    there, here = told(source), told(sample)
    assert here[0] == pytest.approx(there[0], rel=0.1)
    assert here[1] == pytest.approx(there[1], abs=0.05)
    assert here[2] == pytest.approx(there[2], rel=0.1)
    assert there[3] > 1.3, "frauds are of higher amounts in the source"
    assert here[3] > 1.15


def test_no_event_is_one_of_the_source(source: Pair, sample: Pair) -> None:
    columns = ["event_us", "amount_cents", "place_x", "place_y"]
    rows = [
        set(map(tuple, pair[0][columns].astype("int64").to_numpy())) for pair in (source, sample)
    ]
    assert not rows[0] & rows[1]


def test_the_contracts_alone_give_events_on_the_days_asked_for() -> None:
    shape = stated_events(tables(), ("2026-01-01", "2026-03-31"))
    made, again, other = (draw_events(tables(), shape, 2000, seed) for seed in (1, 1, 2))
    held(made)
    pd.testing.assert_frame_equal(made[0], again[0])
    pd.testing.assert_frame_equal(made[1], again[1])
    assert not made[0]["amount_cents"].equals(other[0]["amount_cents"])
    days = pd.to_datetime(made[0]["event_us"].astype(np.int64), unit="us")
    assert days.min() >= pd.Timestamp("2026-01-01") and days.max() < pd.Timestamp("2026-04-02")
    assert made[0]["customer_id"].value_counts().mean() > 10
    assert made[1]["transaction_id"].nunique() == pytest.approx(60, abs=1)
