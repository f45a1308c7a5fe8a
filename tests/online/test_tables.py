"""History in tables of any form fills a store as the stream would have."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from fin_kedro.online import EventError
from tests.features.event_streams import nearly_ordered

from .kinds import Shelf, row, shelves

shelf = shelves()


def tables(seed: int, *, lateness: int = 0) -> tuple[list[Any], pd.DataFrame, pd.DataFrame]:
    events = nearly_ordered(seed, lateness=lateness, length=200)
    by_kind = {
        kind: pd.DataFrame([told for k, told in events if k == kind])
        for kind in ("transaction", "label")
    }
    return events, by_kind["transaction"], by_kind["label"]


@pytest.mark.parametrize("form", ["pandas", "arrow", "batches"])
def test_a_warm_start_equals_the_stream(shelf: Shelf, form: str) -> None:
    events, transactions, labels = tables(21)
    given: tuple[Any, Any] = (transactions, labels)
    if form != "pandas":
        given = tuple(pa.Table.from_pandas(table) for table in given)
    if form == "batches":
        given = tuple(table.to_batches(max_chunksize=50) for table in given)
    with (
        shelf.open(name="warm", lateness_us=2) as warm,
        shelf.open(name="live", lateness_us=2) as live,
    ):
        live.apply(events, {})
        taken = warm.warm_start(*given)
        assert taken <= len(transactions) and (taken < len(transactions) or form == "batches")
        assert warm.warm_start(*given) == taken  # again: nothing counts twice
        newest = int(transactions["known_us"].max())
        for customer, terminal in [(1, "a"), (1, "b"), (2, "c"), (3, "d")]:
            asked = row("new", newest, customer_id=customer, terminal_id=terminal)
            assert warm.lookup(asked) == live.lookup(asked)


def test_a_warm_start_without_a_column_is_named(shelf: Shelf) -> None:
    _, transactions, labels = tables(21)
    with shelf.open() as store, pytest.raises(EventError, match="no column 'amount_cents'"):
        store.warm_start(transactions.drop(columns="amount_cents"), labels)
