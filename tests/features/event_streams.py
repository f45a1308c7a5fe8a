"""Streams of transactions and labels for tests, and what a statistic is by its definition alone.

`expected` looks at everything for every number, so it is slow and hard to get wrong.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from fin_kedro.features.entity_state import Entity
from fin_kedro.features.event_plan import Plan
from fin_kedro.features.windows import EventFeatures, RowValue, Statistic, flag

Rows = Sequence[Mapping[str, Any]]


def _amount(row: Any) -> Any:
    return row["amount_cents"]


def _statistic(name: str, key: str, aggregate: str, window: int, **more: Any) -> Statistic:
    if aggregate in ("sum", "last"):
        more.setdefault("value", _amount)
    columns = {"c": ("customer_id",), "t": ("terminal_id",), "ct": ("customer_id", "terminal_id")}
    return Statistic(
        name=name,
        key=columns[key],
        aggregate=aggregate,
        window_us=window,
        description=name,
        **more,
    )


FEATURES = EventFeatures(  # every kind of statistic, with windows of a few microseconds
    statistics=(
        _statistic("count_5", "c", "count", 5),
        _statistic("count_9_current", "c", "count", 9, includes_current=True),
        _statistic("sum_5", "c", "sum", 5),
        _statistic("sum_12_current", "c", "sum", 12, includes_current=True),
        _statistic("sum_small", "c", "sum", 12, value=lambda r: flag(r["amount_cents"] < 5)),
        _statistic("since", "c", "since_last", 8),
        _statistic("last", "c", "last", 11),
        _statistic("last_other", "c", "last", 6, value=lambda r: r["amount_cents"] * 3 - 4),
        _statistic("delayed", "t", "count", 6, delay_us=4, strict=False),
        _statistic("delayed_strict", "t", "sum", 6, delay_us=4),
        _statistic("frauds", "t", "count", 6, delay_us=4, strict=False, of="frauds"),
        _statistic("frauds_strict", "t", "count", 6, delay_us=4, of="frauds"),
        _statistic("frauds_now", "t", "sum", 10, of="frauds"),
        _statistic("frauds_of_customer", "c", "sum", 7, of="frauds"),
        _statistic("together", "ct", "count", 12),
        _statistic("since_together", "ct", "since_last", 12),
    ),
    row_values=(RowValue(name="odd", value=lambda r: r["event_us"] % 2, description="odd"),),
)


def expected(
    features: EventFeatures, row: Mapping[str, Any], transactions: Rows, labels: Rows
) -> dict[str, Any]:
    """Return row values and statistics of a row, given all that was delivered."""
    values = {v.name: v.value(row) for v in features.row_values}
    others = [r for r in transactions if r["transaction_id"] != row["transaction_id"]]
    for told in features.statistics:
        same = [r for r in others if all(r[c] == row[c] for c in told.key)]
        values[told.name] = _one(told, row, same, labels)
    return values


def _one(told: Statistic, row: Mapping[str, Any], others: Rows, labels: Rows) -> int | None:
    t = row["known_us"]
    if not told.adds:
        seen = [r for r in others if t - told.window_us <= r["known_us"] < t]
        if not seen:
            return None
        last = max(seen, key=lambda r: (r["known_us"], r["transaction_id"]))
        return t - last["known_us"] if told.aggregate == "since_last" else told.amount(last)
    counted = [r for r in others if r["known_us"] < t and _inside(told, r["event_us"], t)]
    if told.of == "frauds":
        counted = [r for r in counted if _is_fraud(r, labels, t)]
    current = [row] if told.includes_current else []
    return sum(told.amount(r) for r in [*counted, *current])


def _inside(told: Statistic, event: int, t: int) -> bool:
    end = t - told.delay_us
    if told.strict:
        return end - told.window_us <= event < end
    return end - told.window_us < event <= end


def _is_fraud(row: Mapping[str, Any], labels: Rows, t: int) -> bool:
    own = [r for r in labels if r["transaction_id"] == row["transaction_id"]]
    told = [r for r in own if row["event_us"] <= r["known_us"] < t]
    return bool(told) and max(told, key=lambda r: (r["known_us"], r["label_id"]))["fraud"] == 1


@st.composite
def streams(draw: st.DrawFn, *, largest: int = 14) -> tuple[list[Any], list[Any]]:
    """Transactions and labels: equal times, late events, corrections, labels of nothing."""
    moments = st.integers(0, 40)
    late = st.one_of(st.just(0), st.just(0), st.integers(0, 15))
    transactions = [
        {
            "transaction_id": identity,
            "event_us": (event := draw(moments)),
            "known_us": event + draw(late),
            "customer_id": draw(st.integers(1, 2)),
            "terminal_id": draw(st.sampled_from(["a", "b"])),
            "amount_cents": draw(st.integers(0, 9)),
        }
        for identity in draw(st.permutations(range(draw(st.integers(1, largest)))))
    ]
    labels = [
        {
            "label_id": identity,
            "transaction_id": draw(st.integers(0, len(transactions))),  # the last one is unknown
            "fraud": draw(st.integers(0, 1)),
            "known_us": draw(st.integers(0, 60)),
        }
        for identity in draw(st.permutations(range(draw(st.integers(0, 12)))))
    ]
    return transactions, labels


def mixed(draw: st.DrawFn, transactions: Rows, labels: Rows) -> list[tuple[str, Any]]:
    """All events of a stream in any order at all."""
    events = [("transaction", row) for row in transactions] + [("label", row) for row in labels]
    return list(draw(st.permutations(events)))


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Events of a stream in any order at all."""
    return mixed(draw, *draw(streams()))


def by_known(transactions: Rows, labels: Rows) -> list[tuple[str, Any]]:
    """Events in the order in which they became known."""
    events = [("transaction", row) for row in transactions] + [("label", row) for row in labels]
    return sorted(events, key=lambda event: event[1]["known_us"])


def nearly_ordered(seed: int, *, lateness: int, length: int = 60) -> list[tuple[str, Any]]:
    """A long stream in which no event is delivered more than `lateness` out of its order."""
    draw = random.Random(seed)
    gap = draw.choice([1, 3, 9])
    transactions, labels, moment = [], [], 0
    for identity in range(draw.randint(length // 3, length)):
        moment += draw.randint(0, gap)
        transactions.append(
            {
                "transaction_id": identity,
                "event_us": moment - draw.choice([0, 0, 0, 2, 30]),
                "known_us": moment,
                "customer_id": draw.randint(1, 2),
                "terminal_id": draw.choice("abc"),
                "amount_cents": draw.randint(0, 9),
            }
        )
        for version in range(draw.choice([0, 0, 1, 2])):
            labels.append(
                {
                    "label_id": 3 * identity + version,
                    "transaction_id": identity,
                    "fraud": draw.randint(0, 1),
                    "known_us": moment + draw.randint(0, 20),
                }
            )
    events = by_known(transactions, labels)
    return sorted(events, key=lambda event: event[1]["known_us"] + draw.randint(0, lateness))


GOOD = {
    "transaction_id": 1,
    "event_us": 5,
    "known_us": 5,
    "customer_id": 1,
    "terminal_id": "a",
    "amount_cents": 7,
}


def busy_entity(*, transactions: int, late: int = 0) -> tuple[Plan, Entity]:
    """A customer with a transaction each microsecond, windows of at most 12, and a label each."""
    plan = Plan(FEATURES, lateness_us=10)
    entity = Entity(plan.keys[0])
    for t in range(transactions):
        row = {"transaction_id": t, "event_us": t - late, "known_us": t, "customer_id": 1}
        record = plan.record(row | {"terminal_id": 1, "amount_cents": 2})
        plan.keys[0].add(entity, record)
        plan.keys[0].label(entity, record, [t + 1, t, t % 2])
    return plan, entity
