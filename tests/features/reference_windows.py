"""The meaning of a statistic as two plain loops: slow, obvious, and without any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fin_kedro.features.windows import EventFeatures, Statistic

Record = Mapping[str, Any]


def reference(
    features: EventFeatures,
    transactions: Sequence[Record],
    labels: Sequence[Record],
    rows: Sequence[Record] | None = None,
) -> list[dict[str, int | None]]:
    """Statistics of each transaction, or of some of them, in the order given."""
    found = []
    for row in transactions if rows is None else rows:
        # once a key, not once a statistic
        earlier = {key: _earlier(key, row, transactions) for key in features.keys}
        found.append(
            {v.name: int(v.value(row)) for v in features.row_values}
            | {s.name: _value(s, row, earlier[s.key], labels) for s in features.statistics}
        )
    return found


def _earlier(key: Sequence[str], row: Record, transactions: Sequence[Record]) -> list[Record]:
    return [
        other
        for other in transactions
        if other["known_us"] < row["known_us"]
        and other is not row
        and all(other[column] == row[column] for column in key)
    ]


def _value(
    s: Statistic, row: Record, others: Sequence[Record], labels: Sequence[Record]
) -> int | None:
    moment = row["known_us"]
    if s.aggregate in ("since_last", "last"):
        return _about_last(s, moment, others)
    counted = [other for other in others if _in_window(s, moment, other["event_us"])]
    if s.of == "frauds":
        counted = [other for other in counted if _known_fraud(other, moment, labels)]
    if s.includes_current:
        counted.append(row)
    return sum(s.value(other) if s.aggregate == "sum" else 1 for other in counted)


def _in_window(s: Statistic, moment: int, event: int) -> bool:
    newest, oldest = moment - s.delay_us, moment - s.delay_us - s.window_us
    return oldest <= event < newest if s.strict else oldest < event <= newest


def _known_fraud(transaction: Record, moment: int, labels: Sequence[Record]) -> bool:
    told = [
        label
        for label in labels
        if label["transaction_id"] == transaction["transaction_id"] and label["known_us"] < moment
    ]
    latest = max(told, key=lambda label: (label["known_us"], label["label_id"]), default=None)
    return latest is not None and latest["fraud"] == 1


def _about_last(s: Statistic, moment: int, others: Sequence[Record]) -> int | None:
    recent = [other for other in others if moment - s.window_us <= other["known_us"]]
    if not recent:
        return None
    last = max(recent, key=lambda other: (other["known_us"], other["transaction_id"]))
    return moment - last["known_us"] if s.aggregate == "since_last" else s.value(last)
