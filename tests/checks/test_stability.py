from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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


FLOOR = 1e-4  # what an empty bin counts as


def term(before: float, after: float) -> float:
    """One bin's part of the index, by hand."""
    before, after = max(before, FLOOR), max(after, FLOOR)
    return (after - before) * math.log(after / before)


ZEROS = np.append(np.zeros(950), np.linspace(1, 100, 50))


def test_zeros_that_move_down_are_seen_as_those_that_move_up() -> None:
    down = psi(reference=ZEROS, current=np.where(ZEROS == 0, -50.0, ZEROS))
    assert down == pytest.approx(term(0, 0.95) + term(0.95, 0))  # 17.4
    assert down == pytest.approx(17.4, abs=0.01)
    up = psi(reference=ZEROS, current=np.where(ZEROS == 0, 50.0, ZEROS))
    assert up == pytest.approx(term(0.95, 0) + term(0.05, 1))  # 11.5: they join those above
    assert up == pytest.approx(11.5, abs=0.05)


@pytest.mark.parametrize("to", [3.0, 7.0, 4.999999, -np.inf, np.inf])
def test_a_constant_that_changes_is_seen(to: float) -> None:
    found = psi(reference=[5.0] * 40, current=[to] * 40)
    assert found == pytest.approx(term(0, 1) + term(1, 0))
    half = psi(reference=[5.0] * 40, current=[5.0] * 20 + [to] * 20)
    assert half == pytest.approx(term(1, 0.5) + term(0, 0.5))


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    st.lists(st.integers(-4, 4), min_size=1, max_size=60),
)
def test_the_index_sees_no_direction(reference: list[int], current: list[int]) -> None:
    """Every heavy value has its bin; so mirroring leaves the index when all values are heavy."""
    counts = pd.Series(reference).value_counts()
    heavy = [v for v in reference if counts[v] * 10 >= len(reference)]
    if len(heavy) < len(reference):
        return
    found = psi(reference=reference, current=current)
    mirrored = psi(reference=[-v for v in reference], current=[-v for v in current])
    assert found == pytest.approx(mirrored)


def test_a_heavy_value_among_others_has_its_own_bin() -> None:
    reference = np.append(np.full(300, 7.0), np.arange(700) / 100)  # 0 to 6.99, and 7
    table = psi_table(reference=reference, current=[7.0, 7.5, 6.995])
    assert table.loc["= 7", ["reference", "current"]].tolist() == [300, 1]
    assert table.loc["> 7", ["reference", "current"]].tolist() == [0, 1]
    assert table.loc["< 7", "current"] == 1


def test_bins_without_ties_are_plain_deciles() -> None:
    table = psi_table(reference=np.arange(1, 101), current=[0, 101, np.nan])
    assert table.index.tolist() == [
        *(f"<= {10 * k}" for k in range(1, 10)), "> 90", "missing"
    ]  # fmt: skip
    assert table["reference"].tolist() == [10] * 10 + [0]
    assert table["current"].tolist() == [1, *[0] * 8, 1, 1]


def test_bins_of_large_numbers_keep_their_names_apart() -> None:
    table = psi_table(reference=1_000_000 + np.arange(1000) / 100, current=[1.0])
    assert table.index.is_unique


def test_missing_values_are_a_bin_of_numbers() -> None:
    reference, current = [1.0] * 80 + [np.nan] * 20, [1.0] * 60 + [np.nan] * 40
    found = psi(reference=reference, current=current)
    assert found == pytest.approx(term(0.8, 0.6) + term(0.2, 0.4))


RNG = np.random.default_rng(1)


@pytest.mark.parametrize("rows", [(60, 60), (200, 60), (3000, 1000)], ids=str)
def test_chance_level_holds_for_numbers(rows: tuple[int, int]) -> None:
    pairs = [[RNG.standard_normal(n) for n in rows] for _ in range(301)]
    # without ties the level rests on ranks alone: it is the same for every pair
    level = psi_by_chance(reference=pairs[0][0], current=pairs[0][1])
    above = np.mean([psi(reference=a, current=b) > level for a, b in pairs[1:]])
    # 5 in 100 are right; 300 pairs tell 5 from 9 and from 1 (three standard errors)
    assert 0.015 < above < 0.088


@pytest.mark.parametrize(
    ("draw", "nominal"),
    [
        (lambda n: np.maximum(RNG.geometric(0.2, n) - 2.0, 0), False),
        (lambda n: RNG.choice(list("abcd"), n, p=[0.6, 0.3, 0.06, 0.04]), True),
    ],
    ids=["ties", "categories"],
)
def test_chance_level_holds_under_ties(draw: Callable[[int], Any], nominal: bool) -> None:
    pairs = [{"reference": draw(80), "current": draw(60), "nominal": nominal} for _ in range(150)]
    above = np.mean([psi(**pair) > psi_by_chance(**pair) for pair in pairs])
    assert above < 0.1


def test_chance_is_the_chi_square_law_in_large_samples() -> None:
    # Yurdakul 2018: PSI n m / (n + m) is chi square with 9 degrees of freedom; 16.92 at 95 %
    found = psi_by_chance(
        reference=RNG.standard_normal(30_000), current=RNG.standard_normal(10_000)
    )
    assert found == pytest.approx(16.92 * (1 / 30_000 + 1 / 10_000), rel=0.1)


def test_chance_is_the_same_every_time_and_zero_for_one_bin() -> None:
    sample = RNG.standard_normal(70)
    found = [psi_by_chance(reference=sample, current=sample[:30]) for _ in range(2)]
    assert found[0] == found[1] > 0
    assert psi_by_chance(reference=[5] * 70, current=[5] * 30) == 0


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
