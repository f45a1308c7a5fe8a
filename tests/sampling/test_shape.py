"""The shape of a table: nothing of few rows is in it, and what is drawn has the same shares."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from fin_kedro.sampling.shape import (
    BLOCKS,
    FEWEST,
    Shape,
    draw_marginal,
    draw_table,
    latent_correlation,
    learn_marginal,
    learn_shape,
    nearest_correlation,
    scores,
)

SOME = settings(max_examples=25)
DRAWS = {
    "normal": lambda rng, n: rng.normal(0, 3, n),
    "long tail": lambda rng, n: rng.lognormal(5, 1.5, n).round(2),
    "many zeros": lambda rng, n: np.where(rng.random(n) < 0.6, 0, rng.gamma(2, 100, n)),
    "whole": lambda rng, n: rng.poisson(80, n),
    "few": lambda rng, n: rng.poisson(1, n),
    "two humps": lambda rng, n: np.where(rng.random(n) < 0.3, rng.normal(9, 1, n), rng.random(n)),
}


def grid(rows: int) -> np.ndarray:
    return (np.arange(rows) + 0.5) / rows


@SOME
@given(kind=st.sampled_from(sorted(DRAWS)), rows=st.integers(300, 3000), seed=st.integers(0, 99))
def test_a_drawn_number_is_distributed_as_the_source(kind: str, rows: int, seed: int) -> None:
    """The bound that docs/contracts.md states: 2 / BLOCKS, and 2 FEWEST of the rows."""
    source = pd.Series(DRAWS[kind](np.random.default_rng(seed), rows), dtype=float)
    drawn = draw_marginal(learn_marginal(source, nominal=False), grid(2000)).astype(float)
    assert ks_2samp(source, drawn).statistic <= 2 / BLOCKS + 2 * FEWEST / rows + 1 / 2000


@SOME
@given(kind=st.sampled_from(sorted(DRAWS)), rows=st.integers(40, 3000), seed=st.integers(0, 99))
def test_no_knot_is_beyond_the_mean_of_ten(kind: str, rows: int, seed: int) -> None:
    source = np.sort(DRAWS[kind](np.random.default_rng(seed), rows).astype(float))
    learnt = learn_marginal(pd.Series(source), nominal=False)
    low, high = source[:FEWEST].mean(), source[-FEWEST:].mean()
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    for _, value in learnt.knots:
        assert low - slack <= value <= high + slack
    counts = Counter(source)
    assert all(counts[value] >= FEWEST for value, _ in learnt.atoms)


@SOME
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(0, 9))
def test_levels_keep_their_shares_and_rare_ones_are_left_out(sizes: list[int], gone: int) -> None:
    values = [f"level {n}" for n, size in enumerate(sizes) for _ in range(size)] + [None] * gone
    learnt = learn_marginal(pd.Series(values, dtype=object), nominal=True)
    kept = {f"level {n}": size for n, size in enumerate(sizes) if size >= FEWEST}
    assert dict(learnt.atoms) == pytest.approx(
        {level: size / sum(kept.values()) for level, size in kept.items()}
    )
    if kept:
        drawn = Counter(draw_marginal(learnt, grid(1000)))
        for level, size in kept.items():
            assert drawn[level] == pytest.approx(1000 * size / sum(kept.values()), abs=1)


def test_codes_and_gaps_keep_their_shares_to_the_row() -> None:
    rng = np.random.default_rng(1)
    income = pd.Series(rng.lognormal(7, 1, 4000))
    income[:400], income[400:600], income[600:605] = -9.0, np.nan, -8.0
    shape = learn_shape(pd.DataFrame({"income": income}), codes={"income": [-9.0, -8.0]})
    drawn = draw_table(shape, 1000, np.random.default_rng(2))["income"].astype(float)
    assert (drawn == -9).sum() == pytest.approx(100, abs=1)
    assert drawn.isna().sum() == pytest.approx(50, abs=1)
    assert not (drawn == -8).any(), "five rows are too few to be told"


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("cut", [None, 0.1, 0.5])
def test_the_latent_correlation_is_found_behind_levels(rho: float, cut: float | None) -> None:
    """Two normal columns; one of them is seen as it is, or as two levels only."""
    rng = np.random.default_rng(4)
    x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 20_000).T
    seen = pd.Series(y if cut is None else (y > np.quantile(y, 1 - cut)).astype(float))
    both = [scores(learn_marginal(v, nominal=False), v) for v in (pd.Series(x), seen)]
    assert latent_correlation(np.array(both))[0, 1] == pytest.approx(rho, abs=0.03)


@SOME
@given(st.integers(1, 8), st.integers(0, 99))
def test_a_matrix_that_cannot_be_is_brought_to_one_that_can(size: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).uniform(-1, 1, (size, size))
    found = nearest_correlation(matrix)
    assert np.allclose(np.diag(found), 1) and np.allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > 0


def table(rows: int = 3000, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    late = rng.poisson(1, rows).astype(float)
    income = rng.lognormal(7, 0.5, rows)
    bad = rng.random(rows) < 1 / (1 + np.exp(2 - late + income / 1500))
    purpose = np.where(rng.random(rows) < 0.5 + 0.3 * bad, "travel", "home")
    return pd.DataFrame({"late": late, "income": income, "purpose": purpose, "bad": bad * 1.0})


def test_pairs_of_columns_keep_their_rank_correlation() -> None:
    source = table()
    shape = learn_shape(source, nominal={"purpose"}, outcome=source["bad"])
    drawn = draw_table(shape, 3000, np.random.default_rng(1)).infer_objects()
    assert drawn["bad"].mean() == pytest.approx(source["bad"].mean(), abs=0.001)
    numbers = ["late", "income", "bad"]
    gap = source[numbers].corr("spearman") - drawn[numbers].corr("spearman")
    assert gap.abs().to_numpy().max() < 0.07
    rates = [t.groupby("purpose")["bad"].mean() for t in (source, drawn)]
    assert (rates[0] - rates[1]).abs().max() < 0.05


def test_no_row_is_a_row_of_the_source_and_a_seed_decides_all() -> None:
    source = table()
    shape = learn_shape(source, nominal={"purpose"}, outcome=source["bad"])
    kept = Shape.from_dict(json.loads(json.dumps(shape.to_dict())))
    first, again, other = (draw_table(kept, 3000, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)
    assert not set(first["income"]) & set(source["income"])


def test_what_is_too_rare_has_no_score_and_a_small_table_is_no_error() -> None:
    values = pd.Series(["a"] * 20 + ["b"] * 3, dtype=object)
    found = scores(learn_marginal(values, nominal=True), values)
    assert np.isnan(found[20:]).all() and found[:20] == pytest.approx(0)
    shape = learn_shape(pd.DataFrame({"x": [1.5, 2.5], "y": ["a", "b"]}), nominal={"y"})
    assert draw_table(shape, 3, np.random.default_rng(0)).isna().all().all()
