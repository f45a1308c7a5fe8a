"""Statistics over history are what their meaning says, in both forms, whatever comes late."""

from __future__ import annotations

from typing import Any

import ibis
import pytest
from hypothesis import given, settings

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.history import FORMS, offline
from fin_kedro.features.windows import EventFeatures, FeatureError, Statistic
from fin_kedro.simulation.card_transactions import simulate
from tests.features.histories import (
    CARD,
    COUNT,
    FRAUDS,
    LABEL,
    LAST,
    SINCE,
    TRANSACTION,
    Records,
    cents,
    feature_sets,
    frame,
    histories,
    label,
    purchases,
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


def values(statistic: Statistic, transactions: Records, labels: Records = []) -> list[int | None]:  # noqa: B006
    features = EventFeatures(statistics=(statistic,))
    both = [computed(features, transactions, labels, form) for form in FORMS]
    assert both[0] == both[1]
    return [row[statistic.name] for row in both[0]]


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
