"""Entity states against the definition: any order of delivery, late events, corrected labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.features.entity_state import (
    Entity,
    EventError,
    Plan,
    Track,
    fingerprint,
    pack_entity,
    state_fingerprint,
    unpack_entity,
    value_text,
)
from fin_kedro.features.windows import (
    DAY,
    EventFeatures,
    FeatureError,
    RowValue,
    Statistic,
    flag,
)

from .event_streams import FEATURES, deliveries, expected, nearly_ordered


class Entities:
    """The least that a store is: entities by name, and labels that wait."""

    def __init__(self, *, lateness_us: int) -> None:
        self.plan = Plan(FEATURES, lateness_us=lateness_us)
        self.entities: list[dict[Any, Entity]] = [{} for _ in self.plan.keys]
        self.records: dict[Any, Any] = {}
        self.waiting: dict[Any, list[Any]] = {}

    def take(self, kind: str, row: Mapping[str, Any]) -> None:
        if kind == "transaction":
            record = self.plan.record(row)
            self.records[record[0]] = record
            for key, entities in zip(self.plan.keys, self.entities, strict=True):
                key.add(entities.setdefault(key.name(record), Entity(key)), record)
            versions = self.waiting.pop(record[0], [])
        else:
            identity, version = self.plan.version(row)
            if identity not in self.records:
                self.waiting.setdefault(identity, []).append(version)
                return
            record, versions = self.records[identity], [version]
        for key, entities in zip(self.plan.keys, self.entities, strict=True):
            for version in versions if key.marks else ():
                if version[0] < record[1]:  # known before it happened: a store ignores it
                    continue
                key.label(entities[key.name(record)], record, version)

    def answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        record = self.plan.record(row)
        entities = [
            known.get(key.name(record))
            for key, known in zip(self.plan.keys, self.entities, strict=True)
        ]
        values = self.plan.answer(record, self.plan.row_values(row), entities)
        return dict(zip(self.plan.names, values, strict=True))

    def copied(self) -> None:
        """Turn every entity into bytes and back."""
        for key, entities in zip(self.plan.keys, self.entities, strict=True):
            for name, entity in entities.items():
                entities[name] = unpack_entity(key, pack_entity(entity))


@settings(max_examples=300, deadline=None)
@given(deliveries(), st.booleans())
def test_after_any_order_of_delivery_every_row_has_the_defined_numbers(
    events: list[tuple[str, Any]], bytes_between: bool
) -> None:
    state, rows, labels = Entities(lateness_us=1000), [], []
    for kind, row in events:
        if kind == "transaction":  # what was delivered before it, be it known later or not
            assert state.answer(row) == expected(FEATURES, row, rows, labels)
            rows.append(row)
        else:
            labels.append(row)
        state.take(kind, row)
        if bytes_between:
            state.copied()
    for row in rows:  # at every moment, past ones too
        assert state.answer(row) == expected(FEATURES, row, rows, labels)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([0, 1, 5]))
def test_what_may_be_forgotten_is_never_missed(seed: int, lateness: int) -> None:
    state, rows, labels = Entities(lateness_us=lateness), [], []
    for kind, row in nearly_ordered(seed, lateness=lateness):
        if kind == "transaction":
            assert state.answer(row) == expected(FEATURES, row, rows, labels)
            rows.append(row)
        else:
            labels.append(row)
        state.take(kind, row)


def test_a_row_at_the_very_edge_of_lateness_does_not_see_a_label_of_its_own_moment() -> None:
    state, rows = Entities(lateness_us=10), []
    moments = [*range(15), 24]  # the sixteenth one tidies up: 24 - 10 = 14 is settled
    label = {"label_id": 1, "transaction_id": 10, "fraud": 1, "known_us": 14}
    for moment in moments:
        row = GOOD | {"transaction_id": moment, "event_us": moment, "known_us": moment}
        state.take("transaction", row)
        rows.append(row)
        if moment == 14:
            state.take("label", label)
    for moment, count in ((14, 0), (15, 7)):
        asked = GOOD | {"transaction_id": "new", "event_us": moment, "known_us": moment}
        assert state.answer(asked)["frauds_of_customer"] == count
        assert state.answer(asked) == expected(FEATURES, asked, rows, [label])


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


@pytest.mark.parametrize("late", [0, 3])
def test_an_entity_stays_small_however_long_it_is_used(late: int) -> None:
    _, entity = busy_entity(transactions=5000, late=late)
    assert len(entity.times) < 64
    assert entity.frauds is not None and entity.recent is not None
    assert len(entity.frauds.marks) < 128 and len(entity.frauds.moves) < 128
    assert len(entity.recent) < 64 and len(entity.late or []) < 64
    assert len(pack_entity(entity)) < 12_000


def test_running_totals_never_leave_64_bits() -> None:
    track, most = Track(1), (1 << 44) - 1
    for t in range(300_000):
        track.insert(t, [most])
        if t % 16 == 15:
            track.drop(t - 32)
    assert track.totals[0][-1] - track.totals[0][-3] == 2 * most
    assert abs(track.totals[0][0]) < 1 << 62


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5)), min_size=1, max_size=12), st.data()
)
def test_a_track_is_the_sums_of_what_stands_in_it(
    entries: list[tuple[int, int]], data: st.DataObject
) -> None:
    track = Track(1)
    for time, value in entries:
        track.insert(time, [value])
    gone = data.draw(st.integers(0, len(entries) - 1))
    time, value = entries.pop(gone)
    track.remove(time, [value])
    assert list(track.times) == sorted(time for time, _ in entries)
    for edge in range(11):
        at = sum(time < edge for time, _ in entries)
        total = track.totals[0]
        assert total[at] - total[0] == sum(value for time, value in entries if time < edge)


def test_bytes_of_another_form_are_refused() -> None:
    plan, entity = busy_entity(transactions=3)
    data = b"\x07" + pack_entity(entity)[1:]
    with pytest.raises(ValueError, match="form 7.*reads.*warm start"):
        unpack_entity(plan.keys[0], data)


GOOD = {
    "transaction_id": 1,
    "event_us": 5,
    "known_us": 5,
    "customer_id": 1,
    "terminal_id": "a",
    "amount_cents": 7,
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"amount_cents": None}, "transaction 1 does not fit"),
        ({"amount_cents": 1.5}, "transaction 1 does not fit"),
        ({"customer_id": None}, "transaction 1 does not fit"),
        ({"event_us": 6}, "known_us must not be before event_us"),
        ({"known_us": 1 << 62}, "in microseconds"),
        ({"amount_cents": 1 << 44}, "a value beyond"),
    ],
)
def test_a_transaction_that_cannot_be_counted_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(EventError, match=told):
        Plan(FEATURES).record(GOOD | change)


def test_a_missing_column_is_named() -> None:
    row = {name: value for name, value in GOOD.items() if name != "terminal_id"}
    with pytest.raises(EventError, match="transaction 1 has no column 'terminal_id'"):
        Plan(FEATURES).record(row)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"fraud": 2}, "fraud is 2; allowed: 0 and 1"), ({"known_us": None}, "label 3 does not fit")],
)
def test_a_label_that_cannot_be_taken_is_named(change: dict[str, Any], told: str) -> None:
    label = {"label_id": 3, "transaction_id": 1, "fraud": 1, "known_us": 9}
    with pytest.raises(EventError, match=told):
        Plan(FEATURES).version(label | change)


def test_negative_lateness_is_refused() -> None:
    with pytest.raises(FeatureError, match="lateness_us is -1"):
        Plan(FEATURES, lateness_us=-1)


def changed(**change: Any) -> EventFeatures:
    told = {
        "name": "spent",
        "key": ("customer_id",),
        "aggregate": "sum",
        "value": lambda r: r["amount_cents"],
        "window_us": DAY,
        "description": "spent",
    }
    return EventFeatures(statistics=(Statistic(**told | change),))


def test_the_fingerprint_is_about_what_is_computed_and_nothing_else() -> None:
    first = fingerprint(changed())
    assert fingerprint(changed(value=lambda row: row["amount_cents"], description="other")) == first
    others = [
        changed(window_us=2 * DAY),
        changed(delay_us=DAY),
        changed(key=("terminal_id",)),
        changed(of="frauds"),
        changed(includes_current=True),
        changed(value=lambda r: r["amount_cents"] + 1),
        changed(value=lambda r: flag(r["amount_cents"] > 100)),
    ]
    assert len({first, *(fingerprint(other) for other in others)}) == len(others) + 1


def with_row_values(*values: Callable[[Any], Any], name: str = "hour") -> EventFeatures:
    made = [
        RowValue(name=f"{name}{at}", value=value, description="") for at, value in enumerate(values)
    ]
    return replace(changed(), row_values=tuple(made))


def test_the_fingerprint_of_a_model_is_about_row_values_too_that_of_a_store_is_not() -> None:
    others = [
        changed(),
        with_row_values(lambda row: row["event_us"] % 2),
        with_row_values(lambda row: row["event_us"] % 3 + 7),
        with_row_values(lambda row: row["event_us"] % 2, name="minute"),
        with_row_values(lambda row: row["event_us"] % 2, lambda row: row["event_us"] % 2),
    ]
    assert len({fingerprint(other) for other in others}) == len(others)
    assert fingerprint(with_row_values(lambda r: r["event_us"] % 2)) == fingerprint(others[1])
    assert len({state_fingerprint(other) for other in others}) == 1
    assert state_fingerprint(changed()) != state_fingerprint(changed(delay_us=DAY))


def test_stores_that_were_filled_before_stay_open() -> None:
    assert state_fingerprint(changed()) == "0e75c2dee48d4c19"


UNSURE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "minus": (lambda r: -r["amount_cents"], "bad operand type for unary -: a column"),
    "floor": (lambda r: r["amount_cents"] // 100, "for //: a column and 'int'"),
    "share": (lambda r: r["amount_cents"] / 100, "for /: a column and 'int'"),
    "absolute": (lambda r: abs(r["amount_cents"]), r"for abs\(\): a column"),
    "method": (lambda r: r["amount_cents"].abs(), "has no attribute 'abs'"),
    "branch": (lambda r: 1 if r["amount_cents"] > 5 else 0, "neither true nor false"),
    "between": (lambda r: flag(1 < r["amount_cents"] < 5), "neither true nor false"),
}


@pytest.mark.parametrize("name", UNSURE)
def test_a_value_that_engines_may_compute_otherwise_is_refused_by_name(name: str) -> None:
    value, found = UNSURE[name]
    said = rf"its value may differ between engines .*{found}.*; allowed: \+ - \* %"
    for refused in (Plan, fingerprint, state_fingerprint):
        with pytest.raises(FeatureError, match=f"Statistic 'spent': {said}"):
            refused(changed(value=value))
    with pytest.raises(FeatureError, match=f"RowValue 'hour0': {said}"):
        fingerprint(with_row_values(value))


def test_equal_values_are_kept_once() -> None:
    assert value_text(lambda r: r["a"] * 2) == value_text(lambda row: row["a"] * 2)
    assert value_text(lambda r: r["a"] * 2) != value_text(lambda r: r["a"] * 3)
    plan = Plan(FEATURES)
    assert len(plan.keys[0].summed) == 2  # the amount and the flag, for four sums
    keys = ["customer_id", "terminal_id"]
    assert plan.columns == ["transaction_id", "event_us", "known_us", *keys, "amount_cents"]
