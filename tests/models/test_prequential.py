"""Folds look forward only: windows in order, the delay kept, known cards left out."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.models.prequential import DAY, day_numbers, prequential_splits

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Days, cards and outcomes; every day of forty has a row."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    many = draw(st.integers(40, 300))
    day = 17_000 + np.append(np.arange(40), rng.integers(0, 40, many - 40))
    order = rng.permutation(many)
    return day[order], rng.integers(0, 20, many), (rng.random(many) < 0.1).astype(int)


def windows(draw: st.DrawFn) -> dict[str, int]:
    return {
        "folds": draw(st.integers(1, 4)),
        "train_days": draw(st.integers(1, 10)),
        "delay_days": draw(st.integers(0, 8)),
        "test_days": draw(st.integers(1, 5)),
    }


@given(rows(), st.composite(windows)())
def test_folds_are_those_of_a_slow_reading(sample: Rows, given_windows: dict[str, int]) -> None:
    day, card, bad = sample
    w = given_windows
    splits = prequential_splits(day=day, **w, card=card, bad=bad)
    assert len(splits) == w["folds"]
    for place, (fit, held) in enumerate(splits):
        start = day.max() + 1 - (w["folds"] - place) * w["test_days"]
        begin = start - w["delay_days"] - w["train_days"]
        expected_fit, expected_held = [], []
        for row in range(len(day)):
            if begin <= day[row] < begin + w["train_days"]:
                expected_fit.append(row)
            if start <= day[row] < start + w["test_days"]:
                last_known = day[row] - w["delay_days"] - 1
                known = any(
                    bad[other] and card[other] == card[row] and begin <= day[other] <= last_known
                    for other in range(len(day))
                )
                if not known:
                    expected_held.append(row)
        assert fit.tolist() == expected_fit
        assert held.tolist() == expected_held


@given(rows(), st.composite(windows)())
def test_without_cards_every_row_of_the_window_is_held(
    sample: Rows, given_windows: dict[str, int]
) -> None:
    day, _, _ = sample
    splits = prequential_splits(day=day, **given_windows)
    held = np.concatenate([rows for _, rows in splits])
    assert len(set(held.tolist())) == len(held)
    days = given_windows["folds"] * given_windows["test_days"]
    assert sorted(held) == np.flatnonzero(day > day.max() - days).tolist()


def test_too_few_days_are_refused() -> None:
    with pytest.raises(
        ValueError, match="3 folds of 7 [+] 7 [+] 7 days need 35 days.*there are 34"
    ):
        prequential_splits(day=np.arange(34), folds=3, train_days=7, delay_days=7, test_days=7)


@pytest.mark.parametrize("wrong", [{"folds": 0}, {"test_days": 0}, {"delay_days": -1}])
def test_windows_must_be_days(wrong: dict[str, int]) -> None:
    given_windows = {"folds": 1, "train_days": 1, "delay_days": 0, "test_days": 1, **wrong}
    with pytest.raises(ValueError, match="at least 1 of each is needed"):
        prequential_splits(day=np.arange(9), **given_windows)


@pytest.mark.parametrize(
    "moments",
    [
        [0, DAY, 17_622 * DAY + 5],
        [date(1970, 1, 1), date(1970, 1, 2), date(2018, 4, 1)],
        pd.to_datetime(["1970-01-01T00:00", "1970-01-02T23:59", "2018-04-01T12:00"]),
        pd.to_datetime(["1970-01-01T00:00", "1970-01-02T23:59", "2018-04-01T12:00"], utc=True),
    ],
    ids=["microseconds", "dates", "times", "times with a zone"],
)
def test_days_of_any_kind_of_moment(moments: Any) -> None:
    assert day_numbers(moments).tolist() == [0, 1, 17_622]
