"""Fingerprints change with what is computed and with nothing else; unsure values are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fin_kedro.features.event_plan import Plan
from fin_kedro.features.fingerprints import fingerprint, state_fingerprint
from fin_kedro.features.windows import DAY, EventFeatures, FeatureError, RowValue, Statistic, flag


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
