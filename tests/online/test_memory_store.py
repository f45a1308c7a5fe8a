"""What the store in memory forgets, and what it still counts."""

from __future__ import annotations

import pytest

from fin_kedro.online import open_store
from tests.features.event_streams import FEATURES

from .kinds import report, row


@pytest.mark.parametrize(("rows", "strays"), [(1, 1), (3, 1), (10, 1), (1, 50), (10, 50)])
def test_memory_is_bounded_by_the_longest_window_and_the_lateness(rows: int, strays: int) -> None:
    """So many rows an instant, each with a label, and so many labels whose row never comes."""
    with open_store("memory:", FEATURES, lateness_us=5) as store:
        reach = store.plan.horizon + store.plan.lateness + 4  # instants; labels come two later
        for number in range(max(300 * rows, 3000 if strays == 1 else 0)):
            t = number // rows
            who = {"customer_id": t % 50 + t // 100, "terminal_id": f"t{t // 7}"}
            store.score(row(number, t, **who))
            store.learn(report(number, number, t + 2))
            for stray in range(number * strays, (number + 1) * strays):
                store.learn(report(-stray - 1, f"never {stray}", t))
        kept = store.statistics()
    assert kept["transactions"] < reach * rows
    assert kept["waiting"] < reach * rows * strays
    assert kept["labels"] < reach * rows * (1 + strays)
    assert all(count < 40 for name, count in kept.items() if name.startswith("entities"))


def test_a_label_that_waits_outlives_an_older_one_of_its_transaction() -> None:
    with open_store("memory:", FEATURES, lateness_us=5) as store:
        store.learn(report(1, "late", 0, fraud=0))
        store.learn(report(2, "late", 12))
        for t in range(1, 20):
            store.score(row(t, t, customer_id=2, terminal_id="b"))
        assert store.statistics()["waiting"] == 1
        store.score(row("late", 12))
        assert store.lookup(row("next", 14))["frauds_now"] == 5


def test_what_is_too_old_to_count_is_answered_but_not_kept() -> None:
    with open_store("memory:", FEATURES, lateness_us=5) as store:
        store.score(row(1, 1000))
        store.score(row(2, 10))
        assert store.learn(report(1, 2, 12)) is False
        kept = store.statistics()
        assert kept["transactions"] == 1
        assert kept["expired"] == 1
        assert kept["beyond_lateness"] == 1
