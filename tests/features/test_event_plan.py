"""The compiled specification: what cannot be counted is named; equal values are kept once."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.features.event_plan import EventError, Plan
from fin_kedro.features.fingerprints import value_text
from fin_kedro.features.windows import FeatureError

from .event_streams import FEATURES, GOOD


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


def test_equal_values_are_kept_once() -> None:
    assert value_text(lambda r: r["a"] * 2) == value_text(lambda row: row["a"] * 2)
    assert value_text(lambda r: r["a"] * 2) != value_text(lambda r: r["a"] * 3)
    plan = Plan(FEATURES)
    assert len(plan.keys[0].summed) == 2  # the amount and the flag, for four sums
    keys = ["customer_id", "terminal_id"]
    assert plan.columns == ["transaction_id", "event_us", "known_us", *keys, "amount_cents"]
