"""Recall by kind and figures over time are those of the parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from fin_kedro.checks.cards import Scored
from fin_kedro.checks.detection_parts import FEWEST_CARDS, figures_over_time, recall_by_kind
from tests.checks.banks import SETTINGS, banks


@given(banks(), st.floats(0, 1))
def test_recall_by_kind(data: Scored, threshold: float) -> None:
    table = recall_by_kind(data, threshold=threshold, replicates=10)
    for kind, row in table.iterrows():
        mine = (data.target == 1) & (data.kind == kind)
        assert row["frauds"] == mine.sum()
        assert row["cards"] == len(set(data.card[mine]))
        assert row["recall"] == pytest.approx((data.score[mine] >= threshold).mean())
        assert (row["cards"] < FEWEST_CARDS) <= np.isnan(row["low"])
    assert table["frauds"].is_monotonic_decreasing


@given(banks(), st.sampled_from([1, 2, 7]))
def test_figures_over_time_are_those_of_the_periods(data: Scored, days: int) -> None:
    table = figures_over_time(data, settings=SETTINGS, threshold=0.4, days=days, replicates=5)
    assert table["rows"].sum() == len(data.target)
    first = pd.Timestamp("1970-01-01") + pd.Timedelta(days=int(data.day.min()))
    for start, row in table.iterrows():
        offset = (pd.Timestamp(str(start)) - first).days + int(data.day.min())
        part = data.only((data.day >= offset) & (data.day < offset + days))
        assert (row["rows"], row["frauds"]) == (len(part.target), part.target.sum())
        if 0 < part.target.sum() < len(part.target):
            expected = average_precision_score(part.target, part.score)
            assert row["average_precision"] == pytest.approx(expected)
        elif not part.target.any():
            assert np.isnan(row["average_precision"]) and np.isnan(row["recall"])
