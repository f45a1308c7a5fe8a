from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.stability import feature_stability, psi, psi_by_chance, psi_table

NUMBERS = st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(float("nan"))), min_size=1, max_size=80)
WORDS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=80)


@given(NUMBERS, NUMBERS)
def test_never_negative(reference: list[float], current: list[float]) -> None:
    table = psi_table(reference=reference, current=current)
    assert (table["psi"] >= 0).all()
    assert table["reference"].sum() == len(reference)
    assert table["current"].sum() == len(current)


@given(NUMBERS, st.integers(1, 4))
def test_zero_for_equal_shares(reference: list[float], times: int) -> None:
    assert psi(reference=reference, current=reference * times) == pytest.approx(0, abs=1e-15)


@given(WORDS, WORDS)
def test_nominal_zero_iff_shares_are_equal(reference: list, current: list) -> None:
    found = psi(reference=reference, current=current, nominal=True)
    table = psi_table(reference=reference, current=current, nominal=True)
    equal = np.allclose(table["reference_share"], table["current_share"])
    assert (found < 1e-12) == equal


def test_unseen_category_and_missing_are_bins() -> None:
    table = psi_table(reference=["a", None], current=["z", None], nominal=True)
    assert table.index.tolist() == ["a", "other", "missing"]


def test_all_missing_reference() -> None:
    assert psi(reference=[np.nan] * 5, current=[np.nan] * 3) == 0
    assert psi(reference=[np.nan] * 5, current=[1.0] * 3) > 1


def test_chance_level_holds() -> None:
    rng = np.random.default_rng(1)
    found = [
        psi(reference=rng.normal(size=3000), current=rng.normal(size=1000)) for _ in range(150)
    ]
    limit = psi_by_chance(reference_rows=3000, current_rows=1000, bins=10)
    assert 0.88 < np.mean(np.array(found) < limit) <= 1


def test_features_are_ordered() -> None:
    reference = pd.DataFrame({"a": range(100), "b": ["x", "y"] * 50})
    current = pd.DataFrame({"a": range(50, 150), "b": ["x", "y"] * 50})
    table = feature_stability(reference=reference, current=current, nominal=["b"])
    assert table.index.tolist() == ["a", "b"]
    assert table.loc["b", "psi"] == 0


def test_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"current lacks \['a'\]"):
        feature_stability(reference=pd.DataFrame({"a": [1]}), current=pd.DataFrame({"b": [1]}))


def test_empty_sample_is_named() -> None:
    with pytest.raises(ValueError, match="current is empty"):
        psi(reference=[1.0], current=[])
