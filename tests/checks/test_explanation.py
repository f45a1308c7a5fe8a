from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from fin_kedro.checks.explanation import additivity_error, importance, sign_agreement, spearman

SEEDS = st.integers(0, 2**32 - 1)


def contributions(seed: int, rows: int = 50) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=list("abc"))


@given(SEEDS)
def test_shares_sum_to_one_and_fall(seed: int) -> None:
    table = importance(contributions(seed))
    assert table["share"].sum() == pytest.approx(1)
    assert table["share"].is_monotonic_decreasing


@given(SEEDS, st.floats(-5, 5))
def test_additivity_of_sums(seed: int, expected: float) -> None:
    parts = contributions(seed)
    odds = parts.sum(axis=1) + expected
    assert additivity_error(contributions=parts, log_odds=odds) < 1e-9
    assert additivity_error(contributions=parts, log_odds=odds, expected=expected) < 1e-9
    wrong = additivity_error(contributions=parts, log_odds=odds, expected=expected + 1)
    assert wrong == pytest.approx(1)


def test_one_wrong_row_shows() -> None:
    parts = contributions(1)
    odds = parts.sum(axis=1).to_numpy(copy=True)
    odds[7] += 0.5
    assert additivity_error(contributions=parts, log_odds=odds) == pytest.approx(0.5)


@given(SEEDS)
def test_spearman_is_scipys(seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, 9, (2, 40)).astype(float)
    expected = spearmanr(first, second).statistic
    assert spearman(first, second) == pytest.approx(expected)
    assert spearman(np.append(first, np.nan), np.append(second, 1)) == pytest.approx(expected)


def test_signs() -> None:
    values = pd.DataFrame({"up": [1.0, 2, 3], "down": [1.0, 2, 3], "flat": [1.0, 2, 3]})
    parts = pd.DataFrame({"up": [1.0, 2, 3], "down": [1.0, 2, 3], "flat": [0.0, 0, 0]})
    table = sign_agreement(
        values=values, contributions=parts, signs={"up": 1, "down": -1, "flat": 1}
    )
    assert table["agrees"].to_dict() == {"up": True, "down": False, "flat": True}


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"no values or contributions of \['x'\]"):
        sign_agreement(values=contributions(1), contributions=contributions(1), signs={"x": 1})
    with pytest.raises(ValueError, match="contribution of a holds nan"):
        importance(pd.DataFrame({"a": [np.nan]}))
    with pytest.raises(ValueError, match="contributions is empty"):
        importance(pd.DataFrame())
