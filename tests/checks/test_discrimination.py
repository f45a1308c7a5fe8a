from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import ks_2samp
from sklearn.metrics import average_precision_score, roc_auc_score

from fin_kedro.checks.discrimination import (
    auc_difference,
    bad_rate_by_band,
    delong,
    discrimination,
    discrimination_table,
)
from tests.checks.samples import scored

Sample = tuple[np.ndarray, np.ndarray]


@given(scored())
def test_figures_are_those_of_scikit_learn_and_scipy(sample: Sample) -> None:
    target, score = sample
    found = discrimination(target=target, score=score)
    assert found["auc"] == pytest.approx(roc_auc_score(target, score), abs=1e-12)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)
    expected = ks_2samp(score[target == 1], score[target == 0], method="asymp").statistic
    assert found["ks"] == pytest.approx(expected, abs=1e-12)
    precision = average_precision_score(target, score)
    assert found["average_precision"] == pytest.approx(precision, abs=1e-12)


@given(scored())
def test_only_the_ranking_counts(sample: Sample) -> None:
    target, score = sample
    mapped = discrimination(target=target, score=np.exp(3 * score) - 5)
    assert mapped == pytest.approx(discrimination(target=target, score=score))


@given(scored())
def test_reversed_score_mirrors_the_auc(sample: Sample) -> None:
    target, score = sample
    forth, back = (discrimination(target=target, score=s)["auc"] for s in (score, -score))
    assert forth + back == pytest.approx(1)


@settings(max_examples=20)
@given(scored())
def test_interval_contains_the_figure_and_repeats(sample: Sample) -> None:
    target, score = sample
    tables = [
        discrimination_table(target=target, score=score, replicates=60, seed=5) for _ in range(2)
    ]
    assert tables[0].equals(tables[1])
    assert (
        (tables[0]["low"] <= tables[0]["value"]) & (tables[0]["value"] <= tables[0]["high"])
    ).all()


def large() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    score = rng.normal(size=7500)
    target = (rng.uniform(size=7500) < 1 / (1 + np.exp(1.6 - score))).astype(int)
    return target, score, score + rng.normal(size=7500)


def test_bootstrap_agrees_with_delong_and_is_fast() -> None:
    target, score, _ = large()
    start = time.process_time()
    table = discrimination_table(target=target, score=score, replicates=1000, seed=1)
    assert time.process_time() - start < 10
    areas, covariance = delong(target=target, scores=[score])
    assert table.loc["auc", "value"] == pytest.approx(areas[0])
    half = 1.96 * covariance[0, 0] ** 0.5
    assert table.loc["auc", "high"] - table.loc["auc", "low"] == pytest.approx(2 * half, rel=0.1)


def test_difference_of_two_models() -> None:
    target, score, noisy = large()
    found = auc_difference(target=target, first=score, second=noisy)
    assert found["low"] < found["difference"] < found["high"]
    assert found["p_value"] < 1e-6
    _, covariance = delong(target=target, scores=[score, noisy])
    paired = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert covariance[0, 1] > 0  # the same rows: an interval that forgets it is too wide
    assert found["high"] - found["low"] == pytest.approx(2 * 1.959964 * paired**0.5, rel=1e-4)
    same = auc_difference(target=target, first=score, second=score)
    assert (same["difference"], same["p_value"]) == (0, 1)


@given(scored(smallest=30))
def test_bands_cover_every_row_in_order(sample: Sample) -> None:
    target, score = sample
    table = bad_rate_by_band(target=target, probability=score)
    assert table["rows"].sum() == len(target)
    assert table["bad"].sum() == target.sum()
    assert table["mean_probability"].is_monotonic_increasing
    assert table["bad_caught"].iloc[0] == pytest.approx(1)
    assert table["bad_caught"].is_monotonic_decreasing
    assert (
        (table["low"] <= table["bad_rate"] + 1e-12) & (table["bad_rate"] <= table["high"] + 1e-12)
    ).all()


def test_variance_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="1 bad and 2 good rows"):
        delong(target=[0, 0, 1], scores=[[1, 2, 3]])
