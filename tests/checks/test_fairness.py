from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.checks.fairness import (
    age_groups,
    calibration_by_group,
    difference_interval,
    impact_by_group,
    level_over_groups,
    level_over_pairs,
    named_groups,
    rates_by_group,
    ratio_interval,
    stray_edges,
)

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc")),
    min_size=4,
    max_size=200,
)


def columns(rows: list[tuple[int, int, str]]) -> dict[str, np.ndarray]:
    target, approved, group = (np.array(column) for column in zip(*rows, strict=True))
    return {"target": target, "approved": approved, "group": group}


@settings(max_examples=15)
@given(ROWS)
def test_rates_are_counts_over_counts(rows: list[tuple[int, int, str]]) -> None:
    given_columns = columns(rows)
    table = rates_by_group(**given_columns)
    for group, row in table.iterrows():
        inside = given_columns["group"] == group
        bad, approved = (given_columns[name][inside] for name in ("target", "approved"))
        assert row["rows"] == inside.sum()
        assert row["approval_rate"] == pytest.approx(approved.mean())
        if (bad == 0).any():
            assert row["good_approved"] == pytest.approx(approved[bad == 0].mean())
        else:
            assert np.isnan(row["good_approved"])


@settings(max_examples=15)
@given(ROWS)
def test_reference_has_ratio_one_and_no_large_group_exceeds_it(
    rows: list[tuple[int, int, str]],
) -> None:
    table = impact_by_group(**columns(rows), smallest=2)
    large = table[table["large"]]
    if len(table) < 2 or large.empty or not table.loc[table["reference"], "approved"].any():
        return
    assert table.loc[table["reference"], "air"].tolist() == [1]
    assert (large["air"] <= 1 + 1e-12).all()
    inside = table[~table["reference"]]
    assert ((inside["air_low"] <= inside["air"]) & (inside["air"] <= inside["air_high"])).all()


@settings(max_examples=15)
@given(ROWS)
def test_names_of_groups_do_not_matter(rows: list[tuple[int, int, str]]) -> None:
    renamed = [(target, approved, f"group {name}") for target, approved, name in rows]
    first, second = (impact_by_group(**columns(r), smallest=2) for r in (rows, renamed))
    assert first["air"].tolist() == pytest.approx(second["air"].tolist(), nan_ok=True)


def test_small_group_has_its_figures_and_is_never_the_reference() -> None:
    rows = [(0, 1, "a")] * 40 + [(0, 0, "a")] * 10 + [(0, 0, "b")] * 50 + [(0, 1, "c")] * 5
    table = impact_by_group(**columns(rows), smallest=20)
    assert table["large"].to_dict() == {"a": True, "b": True, "c": False}
    assert table["reference"].to_dict() == {"a": True, "b": False, "c": False}
    assert table["air"].to_dict() == pytest.approx({"a": 1, "b": 0, "c": 1.25})


def test_without_a_large_group_the_best_of_all_is_the_reference() -> None:
    table = impact_by_group(**columns([(0, 1, "a")] * 5 + [(0, 0, "b")] * 9), smallest=20)
    assert table["reference"].to_dict() == {"a": True, "b": False}
    assert table.loc["b", "air"] == 0 and 0 < table.loc["b", "air_high"] < 1


def test_one_group_has_nothing_to_compare_with() -> None:
    table = impact_by_group(**columns([(0, 1, "a")] * 50), smallest=20)
    assert table["air"].isna().all() and not table["reference"].any()


def test_ratio_interval_covers() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        hits, others = rng.binomial(300, 0.6), rng.binomial(400, 0.75)
        found = ratio_interval(hits=hits, rows=300, reference_hits=others, reference_rows=400)
        inside += found[1] <= 0.8 <= found[2]
    assert 0.92 < inside / 400 <= 0.98


@pytest.mark.parametrize(("first", "second"), [(100, 100), (0, 60), (3, 3), (100, 99)])
def test_extreme_rates_leave_the_ratio_unsure(first: int, second: int) -> None:
    """All or none approved does not mean that the ratio is known: the log formula says so."""
    ratio, low, high = ratio_interval(
        hits=first, rows=100, reference_hits=second, reference_rows=100
    )
    assert low <= ratio < high and (high - low) > 0.02


def test_levels_over_several_groups() -> None:
    # studentized range at 5 groups, 95 %: 3.858 (tables of Harter, 1960); over root 2: 2.728
    z = 3.858 / math.sqrt(2)
    assert level_over_pairs(5) == pytest.approx(math.erf(z / math.sqrt(2)), abs=1e-5)
    assert level_over_pairs(2) == 0.95
    assert level_over_groups(5) ** 5 == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("rows", "rate"), [([100] * 5, 0.6), ([400] * 5, 0.85), ([900, 250, 100], 0.7)]
)
def test_identical_groups_are_told_apart_in_5_of_100_samples(rows: list[int], rate: float) -> None:
    rng = np.random.default_rng(7)
    level, found = level_over_pairs(len(rows)), 0
    for hits in rng.binomial(rows, rate, size=(400, len(rows))):
        rates = hits / rows
        best, worst = int(rates.argmax()), int(rates.argmin())
        found += ratio_interval(
            hits=hits[worst], rows=rows[worst], level=level,
            reference_hits=hits[best], reference_rows=rows[best],
        )[2] < 1  # fmt: skip
    assert 0.015 < found / 400 < 0.085  # 5 in 100, give or take three standard errors


def test_difference_interval_is_newcombes() -> None:
    # Newcombe 1998, table II, method 10: 56/70 against 48/80.
    gap, low, high = difference_interval(hits=56, rows=70, reference_hits=48, reference_rows=80)
    assert (gap, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_no_rate_no_figure() -> None:
    none = {"hits": 0, "rows": 0, "reference_hits": 0, "reference_rows": 0}
    assert np.isnan(ratio_interval(**none)).all()
    assert np.isnan(difference_interval(**none)).all()


@given(st.lists(st.integers(18, 90), min_size=1, max_size=50))
def test_ages_fall_into_one_group(ages: list[int]) -> None:
    names = age_groups(ages, edges=[25, 60])
    expected = ["under 25" if a < 25 else "25 to 59" if a < 60 else "60 and over" for a in ages]
    assert names.tolist() == expected


def test_missing_age_and_wrong_edges() -> None:
    assert age_groups([np.nan], edges=[25]).tolist() == ["missing"]
    with pytest.raises(ValueError, match=r"edges is \[60, 25\]"):
        age_groups([30], edges=[60, 25])


def test_codes_become_labels() -> None:
    found = named_groups([1, 2, None, 3], labels={"1": "male", "2": "female"})
    assert found.tolist() == ["male", "female", "missing", "3"]


def test_calibration_by_group() -> None:
    table = calibration_by_group(
        target=[0, 1, 1, 1], probability=[0.5, 0.5, 0.9, 0.9], group=["a", "a", "b", None]
    )
    assert table["gap"].to_dict() == pytest.approx({"a": 0.0, "b": -0.1, "missing": -0.1})
    assert (table["gap_low"] <= table["gap"]).all() and (table["gap"] <= table["gap_high"]).all()


def test_gaps_of_calibrated_groups_leave_out_zero_in_5_of_100_samples() -> None:
    rng = np.random.default_rng(3)
    group, found = np.repeat(list("abcde"), 120), 0
    for _ in range(200):
        table = calibration_by_group(
            target=(rng.random(600) < 0.3).astype(int), probability=np.full(600, 0.3), group=group
        )
        found += bool(((table["gap_low"] > 0) | (table["gap_high"] < 0)).any())
    assert found / 200 < 0.1


@given(st.lists(st.floats(18, 90), min_size=1, max_size=50))
def test_names_of_fractional_ages_are_true(ages: list[float]) -> None:
    for age, name in zip(ages, age_groups(ages, edges=[25, 60]), strict=True):
        low, high = {
            "under 25": (0, 25), "25 to 59": (25, 59), "25 to below 60": (25, 60 - 1e-12),
            "60 and over": (60, 99),
        }[name]  # fmt: skip
        assert low <= age <= high


def test_groups_of_large_numbers_and_codes_stay_apart() -> None:
    found = age_groups([1234567.0, 1234568.0], edges=[1234567, 1234568, 1234569])
    assert found.tolist() == ["1234567", "1234568"]
    assert named_groups([1234567.0, 1234568.0, 0.5], labels={}).tolist() == [
        "1234567", "1234568", "0.5"
    ]  # fmt: skip


def test_numbers_without_edges_are_cut_at_their_quarters() -> None:
    ages = np.arange(20, 80, dtype=float)
    groups = named_groups(ages, labels={})
    assert len(set(groups)) == 4
    counts = [int((groups == name).sum()) for name in sorted(set(groups))]
    assert max(counts) - min(counts) <= 1


def test_a_few_codes_stay_groups_of_their_own() -> None:
    codes = np.tile(np.arange(1.0, 13.0), 5)
    assert len(set(named_groups(codes, labels={}))) == 12


def test_edges_of_a_misspelt_attribute_are_refused_and_of_another_table_left() -> None:
    assert stray_edges({"AGE": [25, 60]}, ["AGE", "SEX"]) == []
    assert stray_edges({"AGE": [25, 60]}, ["GENDER"]) == ["AGE"]
    assert stray_edges({"AGE": None}, ["AGES"]) == []
    with pytest.raises(ValueError, match="'Agee'.*Did you mean 'age'"):
        stray_edges({"Agee": [25]}, ["age", "sex"])
