"""A statistic says what it means, or is refused with all its problems."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ibis
import pytest

from fin_kedro.features.windows import (
    DAY,
    HOUR,
    MINUTE,
    EventFeatures,
    FeatureError,
    RowValue,
    Statistic,
    flag,
)


def statistic(**changes: Any) -> Statistic:
    told = {
        "name": "n",
        "key": ("card",),
        "aggregate": "count",
        "window_us": DAY,
        "description": "Purchases.",
    }
    return Statistic(**(told | changes))


REFUSED = {
    "an unknown aggregate": ({"aggregate": "mean"}, "aggregate 'mean'; allowed: count, sum"),
    "an unknown source": ({"of": "labels"}, "of='labels'; allowed: transactions, frauds"),
    "a sum of nothing": ({"aggregate": "sum"}, "'sum' needs a value"),
    "a last of nothing": ({"aggregate": "last"}, "'last' needs a value"),
    "a count of something": ({"value": lambda r: r["a"]}, "'count' takes no value"),
    "the last fraud": (
        {"aggregate": "since_last", "of": "frauds"},
        "of='frauds' is for 'count' and 'sum'",
    ),
    "the row's own fraud": ({"of": "frauds", "includes_current": True}, "includes_current is for"),
    "the row as its own past": (
        {"aggregate": "since_last", "includes_current": True},
        "includes_current is for",
    ),
    "no window": ({"window_us": 0}, "window_us is 0; write whole microseconds"),
    "a fraction of time": ({"window_us": 1.5}, "window_us is 1.5"),
    "truth as time": ({"window_us": True}, "window_us is True"),
    "a delay before": ({"delay_us": -1}, "delay_us is -1"),
    "a delay of the last": (
        {"aggregate": "since_last", "delay_us": 1},
        "'since_last' takes no delay",
    ),
    "a row that sees itself": ({"strict": False}, "strict=False needs a delay"),
    "no key": ({"key": ()}, r"key is \(\); write a tuple of columns"),
    "a key without a comma": ({"key": ("card")}, "key is 'card'; write a tuple"),
    "a name that is none": ({"name": "a b"}, "name must be a column name"),
    "a sign of two": ({"sign": 2}, "sign is 2; allowed: -1, 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_meaning_is_refused(case: str) -> None:
    changes, said = REFUSED[case]
    with pytest.raises(FeatureError, match=said):
        statistic(**changes)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(FeatureError, match="Statistic 'n': .*needs a value.*; window_us is -1"):
        statistic(aggregate="sum", window_us=-1)


def test_a_row_value_has_a_name_too() -> None:
    with pytest.raises(FeatureError, match="RowValue '1': name must be"):
        RowValue(name="1", value=lambda row: 0, description="Nothing.")


def test_columns_named_twice_are_refused() -> None:
    with pytest.raises(FeatureError, match=r"columns \['n'\] are named twice"):
        EventFeatures(statistics=(statistic(), statistic()))
    with pytest.raises(FeatureError, match=r"\['known_us'\]"):
        EventFeatures(statistics=(statistic(name="known_us"),))


def test_names_keys_and_horizon() -> None:
    value = RowValue(name="v", value=lambda row: 0, description="Nothing.")
    late = statistic(name="late", key=("shop",), delay_us=HOUR, strict=False)
    features = EventFeatures(statistics=(statistic(), late), row_values=(value,))
    assert features.names == ["v", "n", "late"]
    assert features.keys == [("card",), ("shop",)]
    assert features.horizon_us == DAY + HOUR
    assert EventFeatures(statistics=()).horizon_us == 0
    assert (DAY, HOUR, MINUTE) == (86_400_000_000, 3_600_000_000, 60_000_000)


def test_an_amount_is_one_or_the_value() -> None:
    assert statistic().amount({}) == 1
    assert statistic(aggregate="sum", value=lambda r: r["a"] * 2).amount({"a": 3}) == 6


def test_a_flag_is_one_or_zero_in_python_and_in_ibis() -> None:
    assert [flag(True), flag(False)] == [1, 0]
    table = ibis.memtable({"a": [1, 5]})
    column = flag(table.a % 4 < 2)
    assert column.type().is_int64() and column.execute().tolist() == [1, 1]
    assert flag(table.a > 4).execute().tolist() == [0, 1]


def test_a_service_need_not_import_ibis() -> None:
    code = "import sys, fin_kedro.features.fraud_statistics; print('ibis' in sys.modules)"
    path = [p for p in sys.path if p]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
