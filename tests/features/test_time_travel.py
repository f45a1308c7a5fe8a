"""Features that have seen the future are caught by taking the future away; our own have not."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest
from hypothesis import given, settings

from fin_kedro.features.history import offline
from fin_kedro.features.time_travel import (
    LeakError,
    check_point_in_time,
    point_in_time_differences,
    rows_over_time,
)
from fin_kedro.features.windows import EventFeatures
from tests.features.histories import (
    COUNT,
    FRAUDS,
    LAST,
    SINCE,
    TRANSACTION,
    Records,
    feature_sets,
    histories,
    label,
    purchases,
    tables,
)

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
    ids = ids[:3]  # early enough for each leak to have something ahead of it
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
