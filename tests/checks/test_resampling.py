from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from fin_kedro.checks.resampling import bootstrap_counts, interval, wilson


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 120))
def test_counts_keep_every_stratum(strata: list[int], replicates: int) -> None:
    counts = np.concatenate(list(bootstrap_counts(strata=strata, replicates=replicates, seed=1)))
    assert counts.shape == (replicates, len(strata))
    for value in set(strata):
        rows = np.array(strata) == value
        assert (counts[:, rows].sum(axis=1) == rows.sum()).all()


def test_seed_repeats() -> None:
    first, again, other = (
        next(bootstrap_counts(strata=np.zeros(50), replicates=10, seed=seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_rows_are_drawn_evenly() -> None:
    counts = np.concatenate(list(bootstrap_counts(strata=np.zeros(20), replicates=5000, seed=3)))
    assert np.abs(counts.mean(axis=0) - 1).max() < 0.1


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=100),
    st.floats(-20, 20),
)
def test_interval_contains_the_figure(replicates: list[float], value: float) -> None:
    low, high = interval(value=value, replicates=replicates)
    assert low <= value <= high


def test_interval_of_a_mean_covers() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for seed in range(200):
        sample = rng.exponential(size=60)
        counts = np.concatenate(
            list(bootstrap_counts(strata=np.zeros(60), replicates=300, seed=seed))
        )
        low, high = interval(value=sample.mean(), replicates=(counts * sample).mean(axis=1))
        hits += low <= 1 <= high
    assert hits / 200 > 0.87


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_is_scipys(rows: int, share: float) -> None:
    hits = round(rows * share)
    expected = binomtest(hits, rows).proportion_ci(method="wilson")
    low, high = wilson(successes=hits, rows=rows)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_replicates() -> None:
    with pytest.raises(ValueError, match="replicates is 0"):
        next(bootstrap_counts(strata=[0, 1], replicates=0, seed=1))


@pytest.mark.parametrize("rows", [7, 96, 963])
def test_wilson_holds_the_rate_at_both_ends(rows: int) -> None:
    for hits in (0, rows):
        low, high = wilson(successes=hits, rows=rows)
        assert low <= hits / rows <= high
