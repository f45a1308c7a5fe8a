"""Balance: every bad is kept, goods are drawn by a seed, and the shift is what it is said to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.models.imbalance import Balance, balance

RATIOS = st.floats(0.5, 30)


@st.composite
def outcomes(draw: st.DrawFn) -> np.ndarray:
    """At least one of each kind, goods mostly more."""
    bads, goods = draw(st.integers(1, 20)), draw(st.integers(1, 500))
    y = np.array([1] * bads + [0] * goods)
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(y)


@given(outcomes(), RATIOS)
def test_undersampling_keeps_every_bad_and_the_ratio(y: np.ndarray, ratio: float) -> None:
    found = balance(y, {"method": "undersampling", "ratio": ratio}, seed=3)
    bads, goods = int((y == 1).sum()), int((y == 0).sum())
    if found.rows is None:
        assert goods <= ratio * bads and found == Balance()
        return
    assert y[found.rows].sum() == bads
    kept = len(found.rows) - bads
    assert kept == max(round(ratio * bads), 1) and len(set(found.rows.tolist())) == len(found.rows)
    assert (np.diff(found.rows) > 0).all(), "rows stay in their order"
    assert np.exp(found.shift) == pytest.approx(goods / kept)
    assert found.weights(y[found.rows]) is None
    held = found.held_out_weights(y)
    if held is None:
        assert kept == goods  # rounded up to all of them
        return
    assert held[y == 0].sum() == pytest.approx(kept) and (held[y == 1] == 1).all()


@given(outcomes(), RATIOS)
def test_weights_keep_every_row_and_give_the_ratio(y: np.ndarray, ratio: float) -> None:
    found = balance(y, {"method": "weights", "ratio": ratio})
    assert found.rows is None and found.shift == 0
    weights = found.weights(y)
    if weights is None:
        assert (y == 0).sum() <= ratio * (y == 1).sum()
        return
    assert weights[y == 0].sum() == pytest.approx(ratio * weights[y == 1].sum())
    assert found.held_out_weights(y) == pytest.approx(weights)


def test_the_draw_is_seeded() -> None:
    y = np.array([1] * 5 + [0] * 500)
    draws = [balance(y, {"method": "undersampling", "ratio": 4}, seed=s).rows for s in (1, 1, 2)]
    first, again, other = (rows.tolist() for rows in draws if rows is not None)
    assert first == again != other


@pytest.mark.parametrize("imbalance", [None, {"method": "none"}, {"method": "none", "ratio": None}])
def test_nothing_is_done_where_nothing_is_asked(imbalance: dict[str, Any] | None) -> None:
    y = np.array([1] + [0] * 99)
    assert balance(y, imbalance) == Balance()
    assert Balance().weights(y) is None and Balance().held_out_weights(y) is None
    assert Balance().shift == 0


@pytest.mark.parametrize(
    ("imbalance", "message"),
    [
        ({"method": "smote", "ratio": 1}, "method is 'smote'; allowed: none, weights, undersamp"),
        ({"ratio": 1}, "method is None; allowed"),
        ({"method": "weights"}, "ratio is None; give goods for each bad"),
        ({"method": "undersampling", "ratio": 0}, "ratio is 0; give goods"),
        ({"method": "undersampling", "ratio": "20"}, "ratio is '20'; give goods"),
    ],
)
def test_a_balance_that_is_none_is_refused(imbalance: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        balance(np.array([0, 1]), imbalance)
