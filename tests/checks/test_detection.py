"""Detection figures against slow references, and their intervals against drawn cards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fin_kedro.checks.cards import Scored
from fin_kedro.checks.detection import _measures, detection_table, threshold_at_rate
from fin_kedro.checks.discrimination import discrimination_table
from tests.checks.banks import (
    SETTINGS,
    bank_of,
    banks,
    dependent,
    slow_figures,
    slow_recall_at_rate,
)


@given(banks(), st.floats(0, 1))
def test_every_figure_is_that_of_the_slow_reference(data: Scored, threshold: float) -> None:
    table = detection_table(data, settings=SETTINGS, threshold=threshold, replicates=2)
    expected = slow_figures(data, threshold)
    assert list(table.index) == list(expected)
    assert table["value"].to_dict() == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def copied(data: Scored, counts: np.ndarray) -> Scored:
    """A bank in which card i stands `counts[i]` times, each copy a card of its own."""
    times = counts[data.card]
    rows = np.repeat(np.arange(len(data.card)), times)
    copy = np.concatenate([np.arange(n) for n in times])
    made = replace(data.only(rows), cards=1000 * data.cards)
    return replace(made, card=made.card * 1000 + copy)


@given(banks(), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_draw_of_cards_is_the_bank_with_copied_cards(
    data: Scored, threshold: float, seed: int
) -> None:
    counts = np.random.default_rng(seed).integers(0, 4, data.cards)
    assume(len(set(data.target[counts[data.card] > 0].tolist())) == 2)
    sample = copied(data, counts)
    measured = _measures(data, SETTINGS, threshold)(counts[None, :])
    found = {name: float(values[0]) for name, values in measured.items()}
    # a day on which no card was drawn still counts, as a day without a find
    days, left = len(set(data.day.tolist())), len(set(sample.day.tolist()))
    expected = slow_figures(sample, threshold)
    expected["card_precision_at_3"] *= left / days
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@given(banks(), st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_the_threshold_keeps_the_false_positive_rate(data: Scored, rate: float) -> None:
    flagged = data.score >= threshold_at_rate(data, rate)
    assert flagged[data.target == 0].mean() <= rate
    assert flagged[data.target == 1].mean() == pytest.approx(slow_recall_at_rate(data, rate))


@settings(max_examples=15)
@given(banks())
def test_intervals_hold_their_figure_and_repeat(data: Scored) -> None:
    options = {"settings": SETTINGS, "threshold": 0.4, "replicates": 60, "seed": 3}
    first, again = (detection_table(data, **options) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    there = first.dropna()
    assert (there["low"] <= there["value"]).all() and (there["value"] <= there["high"]).all()


def test_intervals_cover_where_rows_depend_and_those_of_rows_do_not() -> None:
    true = detection_table(dependent(0, cards=40_000), settings=SETTINGS, threshold=9, replicates=2)
    hits = {"cards": 0, "rows": 0}
    for seed in range(1, 101):
        data = dependent(seed)
        options: dict[str, Any] = {"replicates": 150, "seed": seed}
        by_card = detection_table(data, settings=SETTINGS, threshold=9, **options).loc["auc"]
        by_row = discrimination_table(target=data.target, score=data.score, **options).loc["auc"]
        for name, found in (("cards", by_card), ("rows", by_row)):
            hits[name] += found["low"] <= true.loc["auc", "value"] <= found["high"]
    assert hits["cards"] >= 87
    assert hits["rows"] <= 60


def test_two_models_are_compared_on_the_same_draws() -> None:
    data = bank_of(2, rows=3000, cards=200)
    worse = replace(data, score=np.random.default_rng(1).random(3000))
    options: dict[str, Any] = {"settings": SETTINGS, "threshold": 0.4, "replicates": 200}
    single = [detection_table(of, **options) for of in (data, worse)]
    apart = detection_table(data, **options, minus=worse)
    difference = single[0]["value"] - single[1]["value"]
    assert apart["value"].to_dict() == pytest.approx(difference.to_dict())
    assert apart.loc["auc", "low"] > 0
    same = detection_table(data, **options, minus=data)
    assert (same.drop(index="precision") == 0).all(axis=None)


def test_a_figure_that_most_draws_do_not_define_has_no_interval() -> None:
    one = bank_of(4, rows=60, cards=40)
    few = replace(one, target=(np.arange(60) == 7).astype(int))
    table = detection_table(few, settings=SETTINGS, threshold=2, replicates=200)
    assert np.isnan(table.loc["precision", "value"])  # nothing was flagged
    assert table.loc["precision", ["low", "high"]].isna().all()
    assert table.loc["auc"].notna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "detection.k is 0; give the cards called in a day"),
        ({"k": None}, "detection.k is None"),
        ({"false_positive_rate": 1.5}, "false_positive_rate is 1.5; allowed is 0 to 1"),
    ],
)
def test_what_is_asked_must_make_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detection_table(bank_of(1), settings={**SETTINGS, **changes}, threshold=0.5)
