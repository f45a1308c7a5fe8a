"""Entity states against the definition: any order of delivery, late events, corrected labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.features.entity_bytes import pack_entity, unpack_entity
from fin_kedro.features.entity_state import Entity
from fin_kedro.features.event_plan import Plan

from .event_streams import FEATURES, GOOD, busy_entity, deliveries, expected, nearly_ordered


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


@pytest.mark.parametrize("late", [0, 3])
def test_an_entity_stays_small_however_long_it_is_used(late: int) -> None:
    _, entity = busy_entity(transactions=5000, late=late)
    assert len(entity.times) < 64
    assert entity.frauds is not None and entity.recent is not None
    assert len(entity.frauds.marks) < 128 and len(entity.frauds.moves) < 128
    assert len(entity.recent) < 64 and len(entity.late or []) < 64
    assert len(pack_entity(entity)) < 12_000
