"""Statistics over history are what their meaning says, in both forms, whatever comes late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest
from hypothesis import given, settings

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.history import (
    FORMS,
    LeakError,
    check_point_in_time,
    offline,
    point_in_time_differences,
    rows_over_time,
)
from fin_kedro.features.windows import EventFeatures, FeatureError, Statistic
from fin_kedro.simulation.card_transactions import simulate
from tests.features.histories import (
    LABEL,
    TRANSACTION,
    Records,
    cents,
    feature_sets,
    frame,
    histories,
    rows_of,
    tables,
)
from tests.features.reference_windows import reference

WORLD: dict[str, Any] = {
    "customers": 60,
    "terminals": 40,
    "days": 50,
    "radius": 60,
    "fraud": {"terminals": {"daily": 0.5, "days": 10}},
    "labels": {"late_share": 0.3, "false_alarm_share": 0.02, "corrected_share": 0.5},
    "arrival": {"late_share": 0.1, "late_minutes": 3000},
}


def computed(
    features: EventFeatures, transactions: Records, labels: Records, form: str
) -> list[dict[str, Any]]:
    table = offline(features, *tables(transactions, labels), form=form)
    return rows_of(table, features.names, [row["transaction_id"] for row in transactions])


# the meaning


@pytest.mark.slow
@settings(max_examples=35)
@given(features=feature_sets(), history=histories())
def test_every_statistic_is_what_two_plain_loops_say(
    features: EventFeatures, history: tuple[Records, Records]
) -> None:
    expected = reference(features, *history)
    for form in FORMS:
        assert computed(features, *history, form) == expected, form


@pytest.mark.slow
def test_both_forms_agree_on_a_simulated_world_with_late_rows_and_corrections() -> None:
    world = simulate(settings=WORLD, seed=3)
    both = ibis.memtable(world.transactions), ibis.memtable(world.labels)
    made = [
        offline(fraud_statistics, *both, form=form).order_by("transaction_id").to_pyarrow()
        for form in FORMS
    ]
    assert made[0].equals(made[1])
    everything, labels = (t.to_dict("records") for t in (world.transactions, world.labels))
    some = everything[::300]
    expected = reference(fraud_statistics, everything, labels, some)
    order = [row["transaction_id"] for row in some]
    ours = ibis.memtable(made[0]).filter(ibis._.transaction_id.isin(order))
    assert rows_of(ours, fraud_statistics.names, order) == expected


CARD: dict[str, Any] = {"key": ("customer_id",), "description": "Of the card."}
COUNT = Statistic(name="n", aggregate="count", window_us=10, **CARD)
FRAUDS = Statistic(name="f", aggregate="count", of="frauds", window_us=10, **CARD)
LAST = Statistic(name="p", aggregate="last", value=cents, window_us=10, **CARD)
SINCE = Statistic(name="s", aggregate="since_last", window_us=10, **CARD)


def purchases(*rows: tuple[int, ...]) -> Records:
    """Purchases of one card: (event, known, cents), numbered from 0."""
    return [
        dict(zip(TRANSACTION, [i, event, known, 1, 1, paid], strict=True))
        for i, (event, known, paid) in enumerate(rows)
    ]


def values(statistic: Statistic, transactions: Records, labels: Records = []) -> list[int | None]:  # noqa: B006
    features = EventFeatures(statistics=(statistic,))
    both = [computed(features, transactions, labels, form) for form in FORMS]
    assert both[0] == both[1]
    return [row[statistic.name] for row in both[0]]


def label(number: int, of: int, fraud: int, known: int) -> dict[str, Any]:
    return dict(zip(LABEL, [number, of, fraud, known], strict=True))


def test_ties_never_see_each_other() -> None:
    assert values(COUNT, purchases((5, 5, 0), (5, 5, 0), (6, 6, 0))) == [0, 0, 2]
    assert values(SINCE, purchases((5, 5, 0), (5, 5, 0), (7, 7, 0))) == [None, None, 2]


def test_of_tied_rows_the_greatest_id_is_the_last() -> None:
    rows = purchases((5, 5, 70), (5, 5, 80), (5, 5, 90), (9, 9, 0))
    assert values(LAST, rows) == [None, None, None, 90]
    assert values(LAST, rows[::-1]) == [90, None, None, None]


def test_the_window_holds_its_first_instant_and_not_its_last() -> None:
    assert values(COUNT, purchases((0, 0, 0), (10, 10, 0))) == [0, 1]
    assert values(COUNT, purchases((0, 0, 0), (11, 11, 0))) == [0, 0]


def test_a_late_row_counts_from_when_it_is_known_until_its_event_leaves_the_window() -> None:
    rows = purchases((0, 8, 0), (5, 5, 0), (9, 9, 0), (11, 11, 0))
    assert values(COUNT, rows) == [1, 0, 2, 2]
    assert values(LAST, purchases((0, 8, 30), (5, 5, 20), (9, 9, 0))) == [20, None, 30]


def test_a_label_counts_from_after_it_is_known_and_a_correction_takes_it_back() -> None:
    rows = purchases((0, 0, 0), (3, 3, 0), (4, 4, 0), (6, 6, 0), (7, 7, 0))
    assert values(FRAUDS, rows, [label(0, 0, 1, 3), label(1, 0, 0, 6)]) == [0, 0, 1, 1, 0]


def test_of_labels_known_at_one_instant_the_greatest_id_is_the_last() -> None:
    rows = purchases((0, 0, 0), (5, 5, 0))
    assert values(FRAUDS, rows, [label(1, 0, 1, 3), label(0, 0, 0, 3)]) == [0, 1]
    assert values(FRAUDS, rows, [label(0, 0, 1, 3), label(1, 0, 0, 3)]) == [0, 0]


def test_labels_of_unknown_transactions_and_before_their_transaction_do_no_harm() -> None:
    rows = purchases((2, 2, 0), (5, 5, 0))
    assert values(FRAUDS, rows, [label(0, 77, 1, 1), label(1, 0, 1, 1)]) == [0, 1]


def test_sums_larger_than_any_amount_of_money_are_exact() -> None:
    total = Statistic(name="t", aggregate="sum", value=cents, window_us=10, **CARD)
    rows = purchases((0, 0, 2**53 + 1), (1, 1, 2**53 + 1), (2, 2, 0))
    features = EventFeatures(statistics=(total, COUNT))  # counted and summed in one
    for form in FORMS:
        assert computed(features, rows, [], form)[2] == {"t": 2**54 + 2, "n": 2}


def test_ids_may_be_texts() -> None:
    rows = frame(purchases((0, 0, 10), (3, 3, 20)), TRANSACTION).astype({"transaction_id": str})
    told = frame([label(0, 0, 1, 1)], LABEL).astype({"transaction_id": str})
    features = EventFeatures(statistics=(COUNT, FRAUDS, LAST))
    for form in FORMS:
        made = offline(features, ibis.memtable(rows), ibis.memtable(told), form=form)
        assert made.order_by("transaction_id").to_pyarrow().select(["n", "f", "p"]).to_pylist() == [
            {"n": 0, "f": 0, "p": None},
            {"n": 1, "f": 1, "p": 10},
        ]


# what is refused


def test_tables_that_do_not_fit_are_refused() -> None:
    features = EventFeatures(statistics=(COUNT,))
    transactions, labels = tables(purchases((0, 0, 0)), [])
    with pytest.raises(FeatureError, match=r"transactions lack columns \['customer_id'\]"):
        offline(features, transactions.drop("customer_id"), labels)
    with pytest.raises(FeatureError, match=r"labels lack columns \['label_id'\]"):
        offline(features, transactions, labels.drop("label_id"))
    with pytest.raises(FeatureError, match=r"columns \['n'\] already"):
        offline(features, transactions.mutate(n=1), labels)
    with pytest.raises(FeatureError, match="known_us': 'float64'.*write integers"):
        offline(features, transactions.mutate(known_us=ibis.literal(0.5)), labels)
    with pytest.raises(FeatureError, match="form 'fast'; allowed: range, cumulative"):
        offline(features, transactions, labels, form="fast")


# travelling back in time

EVERYTHING = EventFeatures(statistics=(COUNT, FRAUDS, LAST, SINCE))
Tables = tuple[ir.Table, ir.Table]


@settings(max_examples=8)
@given(features=feature_sets(), history=histories(longest=8))
def test_our_own_statistics_have_not_seen_the_future(
    features: EventFeatures, history: tuple[Records, Records]
) -> None:
    ids = [row["transaction_id"] for row in history[0]][:3]
    check_point_in_time(
        lambda t, told: offline(features, t, told), features, *tables(*history), ids
    )


def centred(transactions: ir.Table, labels: ir.Table) -> ir.Table:
    """A window that reaches into the future."""
    around = ibis.range_window(
        group_by="customer_id", order_by="known_us", preceding=10, following=1
    )
    made = offline(EVERYTHING, transactions, labels)
    return made.mutate(n=made.count().over(around))


def labels_of_today(transactions: ir.Table, labels: ir.Table) -> ir.Table:
    """Labels as if they had been known at once."""
    return offline(EVERYTHING, transactions, labels.mutate(known_us=ibis.literal(-1)))


def as_if_on_time(transactions: ir.Table, labels: ir.Table) -> ir.Table:
    """Late rows as if they had been known when they happened."""
    on_time = transactions.mutate(known_us=transactions.event_us)
    made = offline(EVERYTHING, on_time, labels)
    return made.drop("known_us").join(
        transactions.select("transaction_id", "known_us"), "transaction_id"
    )


def seeing_ties(transactions: ir.Table, labels: ir.Table) -> ir.Table:
    """Rows of one instant that see each other."""
    until = ibis.range_window(
        group_by="customer_id", order_by="known_us", preceding=10, following=0
    )
    made = offline(EVERYTHING, transactions, labels)
    return made.mutate(n=made.count().over(until) - 1)


def scaled_by_everything(transactions: ir.Table, labels: ir.Table) -> ir.Table:
    """A number compared with the mean of all time."""
    made = offline(EVERYTHING, transactions, labels)
    return made.mutate(n=made.cents - made.cents.mean().over(ibis.window()).floor().cast("int64"))


LEAKS = [centred, labels_of_today, as_if_on_time, seeing_ties, scaled_by_everything]


def six_purchases() -> tuple[Tables, list[int]]:
    """Purchases with a tie and a late row, labels with a correction, and all ids."""
    rows = purchases((0, 0, 10), (3, 3, 30), (3, 3, 90), (1, 6, 20), (5, 5, 0), (6, 6, 500))
    both = tables(rows, [label(0, 0, 1, 5), label(1, 1, 1, 2), label(2, 1, 0, 6)])
    return both, rows_over_time(EVERYTHING, both[0], 6)


def test_where_no_leak_is_planted_none_is_found() -> None:
    both, ids = six_purchases()
    check_point_in_time(lambda t, told: offline(EVERYTHING, t, told), EVERYTHING, *both, ids)


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_a_planted_leak_is_caught(leak: Callable[..., ir.Table]) -> None:
    both, ids = six_purchases()
    with pytest.raises(LeakError, match="features saw the future: . of transaction_id"):
        check_point_in_time(leak, EVERYTHING, *both, ids)


def test_differences_name_moment_row_feature_and_both_values() -> None:
    both = tables(purchases((0, 0, 0), (3, 3, 0)), [label(0, 0, 1, 5)])
    found = point_in_time_differences(labels_of_today, EVERYTHING, *both, [1])
    assert found.to_dict("records") == [
        {"moment": 3, "id": 1, "feature": "f", "value": 1, "value_then": 0}
    ]


def test_rows_over_time_are_spread_evenly_and_never_twice() -> None:
    table = tables(purchases(*((9 - i, 9 - i, 0) for i in range(10))), [])[0]
    assert rows_over_time(EVERYTHING, table, 2) == [7, 2]
    assert rows_over_time(EVERYTHING, table, 99) == list(range(9, -1, -1))
    empty = ibis.memtable(pd.DataFrame(columns=TRANSACTION).astype("int64"))
    assert rows_over_time(EVERYTHING, empty, 3) == []
