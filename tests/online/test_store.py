"""What every store promises: the defined numbers, each event once, all of a batch or nothing."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.features.windows import EventFeatures
from fin_kedro.online import EventError, FeatureStore, StoreError
from tests.features.event_streams import FEATURES, by_known, deliveries, expected, nearly_ordered

from .kinds import Shelf, report, row, shelves

shelf = shelves()
lasting = shelves(("log", "redis"))
SOME = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def take(store: FeatureStore, event: tuple[str, Any]) -> Any:
    kind, told = event
    return store.score(told) if kind == "transaction" else store.learn(told)


@SOME
@given(deliveries(), st.data())
def test_scores_are_the_defined_numbers_in_any_order_and_any_batches(
    shelf: Shelf, events: list[tuple[str, Any]], data: st.DataObject
) -> None:
    rows: list[Any] = []
    labels: list[Any] = []
    with shelf.open(name=uuid.uuid4().hex) as store:
        while events:
            size = data.draw(st.integers(1, 5))
            batch, events = events[:size], events[size:]
            answers = store.apply(batch, {}) if size > 1 else [take(store, batch[0])]
            for (kind, told), answer in zip(batch, answers, strict=True):
                if kind == "transaction":
                    assert answer == expected(FEATURES, told, rows, labels)
                    rows.append(told)
                else:
                    labels.append(told)
        for told in rows:
            assert store.lookup(told) == expected(FEATURES, told, rows, labels)


@SOME
@given(st.integers(0, 1 << 30), st.sampled_from([0, 4]))
def test_what_is_forgotten_is_never_missed(shelf: Shelf, seed: int, lateness: int) -> None:
    rows: list[Any] = []
    labels: list[Any] = []
    with shelf.open(name=uuid.uuid4().hex, lateness_us=lateness) as store:
        for kind, told in nearly_ordered(seed, lateness=lateness):
            answer = take(store, (kind, told))
            if kind == "transaction":
                assert answer == expected(FEATURES, told, rows, labels)
                rows.append(told)
            else:
                labels.append(told)


def test_a_transaction_sent_again_changes_nothing_and_gets_the_same_numbers(shelf: Shelf) -> None:
    with shelf.open() as store:
        store.score(row("first", 1))
        answer = store.score(row("second", 4))
        assert answer["count_5"] == 1
        assert store.score(row("second", 4)) == answer
        assert store.apply([("transaction", row("second", 4))] * 2, {}) == [answer, answer]
        assert store.score(row("second", 6, amount_cents=99)) == answer  # the first one counts
        assert store.lookup(row("third", 5))["sum_5"] == 10


def test_looking_up_changes_nothing(shelf: Shelf) -> None:
    with shelf.open() as store:
        store.score(row(1, 1))
        before = store.statistics()
        assert store.lookup(row(2, 3)) == store.lookup(row(2, 3))
        assert store.statistics() == before
        assert store.score(row(3, 3))["count_5"] == 1


def test_a_label_counts_once_and_waits_for_its_transaction(shelf: Shelf) -> None:
    with shelf.open() as store:
        assert store.learn(report(1, "late", 3)) is True
        assert store.learn(report(1, "late", 3)) is False
        store.score(row("late", 2))
        assert store.lookup(row(9, 4))["frauds_now"] == 5
        assert store.learn(report(1, "late", 3)) is False
        assert store.learn(report(2, "late", 5, fraud=0)) is True
        assert store.lookup(row(9, 5))["frauds_now"] == 5
        assert store.lookup(row(9, 6))["frauds_now"] == 0
        assert store.apply([("label", report(2, "late", 5, fraud=0))], {}) == [False]


@pytest.mark.parametrize("late", [False, True])
def test_a_label_known_before_its_transaction_happened_counts_for_nothing(
    shelf: Shelf, late: bool
) -> None:
    events = [
        ("transaction", row("bought", 6, event_us=4)),
        ("label", report(1, "bought", 3)),
        ("label", report(2, "bought", 2)),
    ]
    with shelf.open() as store:
        store.apply(events[::-1] if late else events, {})
        assert store.lookup(row("next", 8))["frauds_now"] == 0
        store.learn(report(3, "bought", 4))  # at the very moment it happened
        assert store.lookup(row("next", 8))["frauds_now"] == 5


def test_ids_are_numbers_or_text(shelf: Shelf) -> None:
    with shelf.open() as store:
        store.score(row(7, 1, customer_id=1))
        assert store.score(row("7", 2, customer_id=1))["count_5"] == 1  # not the same id
        assert store.lookup(row(8, 3, customer_id="1"))["count_5"] == 0  # not the same customer
        assert store.lookup(row(8, 3, customer_id=1))["count_5"] == 2


def test_of_a_batch_all_is_taken_or_nothing(shelf: Shelf) -> None:
    with shelf.open() as store:
        store.score(row(1, 1))
        before = store.statistics(), store.offsets()
        good, bad = ("transaction", row(2, 2)), ("transaction", row(3, 3, amount_cents="5"))
        for events, position in (([good, bad], 1), ([good, ("label", {"label_id": 1})], 1)):
            with pytest.raises(EventError) as caught:
                store.apply(events, {("t", 0): 9})
            assert caught.value.position == position
            assert (store.statistics(), store.offsets()) == before
        with pytest.raises(EventError, match="'payment'; allowed: 'transaction', 'label'"):
            store.apply([("payment", row(4, 4))], {})
        assert store.lookup(row(9, 4))["count_5"] == 1


def test_offsets_are_kept_with_the_events(lasting: Shelf) -> None:
    with lasting.open() as store:
        assert store.offsets() == {}
        store.apply([("transaction", row(1, 1))], {("transactions", 0): 1, ("labels", 2): 5})
        store.apply([], {("transactions", 0): 4})
    with lasting.open() as store:
        assert store.offsets() == {("transactions", 0): 4, ("labels", 2): 5}
        assert store.lookup(row(2, 2))["count_5"] == 1


def test_a_store_opened_again_goes_on_where_it_was(lasting: Shelf) -> None:
    events = nearly_ordered(5, lateness=3)
    rows = [told for kind, told in events if kind == "transaction"]
    labels = [told for kind, told in events if kind == "label"]
    for start in range(0, len(events), 7):
        with lasting.open() as store:
            store.apply(events[start : start + 7], {})
            before = store.statistics()
        with lasting.open() as store:
            assert store.statistics() == before
    with lasting.open() as store:
        for told in rows:
            assert store.lookup(told) == expected(FEATURES, told, rows, labels)


def test_another_specification_is_refused(lasting: Shelf) -> None:
    with lasting.open() as store:
        store.score(row(1, 1))
    other = EventFeatures(statistics=FEATURES.statistics[:-1])
    with pytest.raises(StoreError, match="was filled for the specification .*warm start"):
        lasting.open(other)
    with lasting.open() as store:
        assert store.lookup(row(2, 2))["count_5"] == 1


def test_a_wrong_clock_cannot_empty_the_store(shelf: Shelf) -> None:
    with shelf.open(ahead_us=1_000_000) as store:
        store.score(row(1, 1))
        with pytest.raises(EventError, match="ahead of this machine's clock"):
            store.score(row(2, 1 << 60))
        with pytest.raises(EventError, match="label 5 .*ahead of this machine's clock"):
            store.learn(report(5, 2, 1 << 60))
        with pytest.raises(EventError, match="ahead of this machine's clock"):
            store.warm_start(pd.DataFrame([row(2, 1 << 60)]), pd.DataFrame([report(1, 2, 3)]))
        assert store.lookup(row(3, 2))["count_5"] == 1


def test_threads_lose_nothing(shelf: Shelf) -> None:
    with shelf.open() as store:

        def work(number: int) -> None:
            for t in range(40):
                store.score(row(f"{number}-{t}", t))
                store.learn(report(f"{number}-{t}", f"{number}-{t}", t))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asked = store.lookup(row("new", 40))
        assert asked["count_9_current"] == 3 * 9 + 1
        assert asked["frauds_now"] == 3 * 10 * 5


def test_events_by_known_are_what_the_stream_brings() -> None:
    events = by_known([row(1, 4), row(2, 2)], [report(1, 1, 3)])
    assert [told["known_us"] for _, told in events] == [2, 3, 4]
