"""Small histories of transactions and labels: ties, gaps, late rows, corrected labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from hypothesis import strategies as st

from fin_kedro.features.windows import EventFeatures, RowValue, Statistic, flag

TRANSACTION = ["transaction_id", "event_us", "known_us", "customer_id", "terminal_id", "cents"]
LABEL = ["label_id", "transaction_id", "fraud", "known_us"]

Records = list[dict[str, Any]]


def cents(row: Any) -> Any:
    """Return the amount."""
    return row["cents"]


def squared(row: Any) -> Any:
    """Return the squared amount of even rows."""
    return row["cents"] * row["cents"] * flag(row["event_us"] % 2 < 1)


@st.composite
def histories(draw: st.DrawFn, longest: int = 14) -> tuple[Records, Records]:
    """Transactions within forty microseconds of few customers, and labels in any order."""
    moments, small = st.integers(0, 40), st.integers(0, 2)
    count = draw(st.integers(0, longest))
    ids = draw(st.permutations(range(count)))
    transactions = []
    for id_ in ids:
        event = draw(moments)
        known = event + draw(st.sampled_from([0, 0, 0, 1, 2, 7, 15]))
        row = [id_, event, known, draw(small), draw(small), draw(st.integers(0, 9))]
        transactions.append(dict(zip(TRANSACTION, row, strict=True)))
    reports = draw(st.integers(0, longest if count else 2))
    labels = [
        dict(
            zip(
                LABEL,
                [n, draw(st.integers(0, count)), draw(st.integers(0, 1)), draw(moments)],
                strict=True,
            )
        )
        for n in draw(st.permutations(range(reports)))
    ]
    return transactions, labels


@st.composite
def statistics(draw: st.DrawFn, name: str) -> Statistic:
    """Any statistic that means something."""
    aggregate = draw(st.sampled_from(["count", "sum", "since_last", "last"]))
    adds = aggregate in ("count", "sum")
    of = draw(st.sampled_from(["transactions", "frauds"])) if adds else "transactions"
    delay = draw(st.sampled_from([0, 0, 1, 3, 9])) if adds else 0
    return Statistic(
        name=name,
        key=draw(
            st.sampled_from([("customer_id",), ("terminal_id",), ("customer_id", "terminal_id")])
        ),
        aggregate=aggregate,
        value=draw(st.sampled_from([cents, squared])) if aggregate in ("sum", "last") else None,
        of=of,
        window_us=draw(st.sampled_from([1, 2, 5, 11, 60])),
        delay_us=delay,
        strict=draw(st.booleans()) if delay else True,
        includes_current=adds and of == "transactions" and draw(st.booleans()),
        description="drawn",
    )


@st.composite
def feature_sets(draw: st.DrawFn) -> EventFeatures:
    """One to six statistics and a row value."""
    count = draw(st.integers(1, 6))
    value = RowValue(name="odd", value=lambda row: row["event_us"] % 2, description="drawn")
    drawn = tuple(draw(statistics(f"s{n}")) for n in range(count))
    return EventFeatures(statistics=drawn, row_values=(value,))


def frame(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return records as int64 columns, also if there are none."""
    return pd.DataFrame(records, columns=list(columns)).astype("int64")


def tables(transactions: Records, labels: Records) -> tuple[ir.Table, ir.Table]:
    """Return both as Ibis tables of the default engine."""
    return ibis.memtable(frame(transactions, TRANSACTION)), ibis.memtable(frame(labels, LABEL))


def rows_of(table: ir.Table, names: Sequence[str], order: Sequence[int]) -> Records:
    """Return the named columns as Python integers and None, in the order of these ids."""
    found = {row["transaction_id"]: row for row in table.to_pyarrow().to_pylist()}
    assert len(found) == len(order)
    return [{name: found[id_][name] for name in names} for id_ in order]


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


def label(number: int, of: int, fraud: int, known: int) -> dict[str, Any]:
    return dict(zip(LABEL, [number, of, fraud, known], strict=True))
