"""What a store is warmed with: all that can still count, and little else."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd

from fin_kedro.features.windows import DAY, HOUR, EventFeatures, Statistic
from fin_kedro.online import open_store
from fin_kedro.online.warming import recent_history
from tests.online.stream import START, stream_of_events

FEATURES = EventFeatures(
    statistics=(
        Statistic(
            name="terminal_count", key=("terminal_id",), aggregate="count", window_us=2 * DAY,
            delay_us=DAY, description="transactions at the terminal",
        ),
        Statistic(
            name="terminal_frauds", key=("terminal_id",), aggregate="count", of="frauds",
            window_us=2 * DAY, delay_us=DAY, description="frauds known at the terminal",
        ),
        Statistic(
            name="customer_since", key=("customer_id",), aggregate="since_last", window_us=3 * DAY,
            description="time since the last one",
        ),
    )
)  # fmt: skip
LATENESS = DAY
EVENTS = stream_of_events(12_000, seed=3)  # more than eight days


def table(kind: str) -> pd.DataFrame:
    return pd.DataFrame([row for k, row in EVENTS if k == kind]).drop_duplicates()


def test_a_store_warmed_with_the_cut_answers_as_one_with_all() -> None:
    transactions, labels = table("transaction"), table("label")
    cut = recent_history(
        FEATURES, ibis.memtable(transactions), ibis.memtable(labels), lateness_us=LATENESS
    )
    assert 0 < len(cut[0]) < len(transactions) * 0.6 and 0 < len(cut[1]) < len(labels) * 0.6
    newest = int(transactions["known_us"].max())
    answers = []
    for tables in (cut, (transactions.sort_values("known_us"), labels.sort_values("known_us"))):
        with open_store("memory:", FEATURES, lateness_us=LATENESS) as store:
            store.warm_start(*tables)
            answers.append([store.lookup(row) for row in probes(newest)])
    assert answers[0] == answers[1]
    whole = [["transaction", row] for row in transactions.to_dict("records")]
    with open_store("memory:", FEATURES, lateness_us=1000 * DAY) as store:  # forgets nothing
        store.apply([*whole, *(["label", row] for row in labels.to_dict("records"))], {})
        assert answers[0] == [store.lookup(row) for row in probes(newest)]
    assert any(answer["terminal_frauds"] for answer in answers[0])


def probes(newest: int) -> list[dict[str, Any]]:
    """Return transactions to come: as late as is allowed, at the newest moment, hours later."""
    return [
        {
            "transaction_id": 10**9, "customer_id": customer, "terminal_id": customer % 15,
            "event_us": moment, "known_us": moment,
        }
        for customer in range(40)
        for moment in (newest - LATENESS, newest - HOUR, newest, newest + 1, newest + 30 * HOUR)
    ]  # fmt: skip


def test_a_label_of_a_transaction_that_is_still_to_come_stays() -> None:
    early = {"label_id": 1, "transaction_id": 77, "fraud": 1, "known_us": START}
    transactions = pd.DataFrame([row for k, row in EVENTS[:100] if k == "transaction"])
    transactions = transactions[transactions["transaction_id"] != 77]
    tables = (ibis.memtable(transactions), ibis.memtable(pd.DataFrame([early])))
    _, labels = recent_history(FEATURES, *tables, lateness_us=LATENESS)
    assert labels["transaction_id"].to_pylist() == [77]


def test_no_history_is_no_error() -> None:
    empty = [ibis.memtable(table(kind).head(0)) for kind in ("transaction", "label")]
    cut = recent_history(FEATURES, *empty, lateness_us=LATENESS)
    assert [len(part) for part in cut] == [0, 0]
