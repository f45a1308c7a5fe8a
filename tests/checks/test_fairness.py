from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.checks.fairness import (
    age_groups,
    calibration_by_group,
    difference_interval,
    impact_by_group,
    named_groups,
    rates_by_group,
    ratio_interval,
    worst_impact,
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
def test_reference_has_ratio_one_and_no_judged_group_exceeds_it(
    rows: list[tuple[int, int, str]],
) -> None:
    table = impact_by_group(**columns(rows), smallest=2)
    judged = table[table["judged"]]
    if judged.empty or judged["approved"].sum() == 0:
        return
    assert judged.loc[judged["reference"], "air"].tolist() == [1]
    assert (judged["air"] <= 1 + 1e-12).all()
    inside = judged.dropna(subset=["air_high"])
    assert ((inside["air_low"] <= inside["air"]) & (inside["air"] <= inside["air_high"])).all()


@settings(max_examples=15)
@given(ROWS)
def test_names_of_groups_do_not_matter(rows: list[tuple[int, int, str]]) -> None:
    renamed = [(target, approved, f"group {name}") for target, approved, name in rows]
    first, second = (impact_by_group(**columns(r), smallest=2) for r in (rows, renamed))
    assert first["air"].tolist() == pytest.approx(second["air"].tolist(), nan_ok=True)


def test_small_group_is_listed_and_not_judged() -> None:
    rows = [(0, 1, "a")] * 50 + [(0, 0, "b")] * 50 + [(0, 1, "c")] * 5
    table = impact_by_group(**columns(rows), smallest=20)
    assert table["judged"].to_dict() == {"a": True, "b": True, "c": False}
    worst = worst_impact(table)
    assert worst is not None
    assert (worst["air_group"], worst["air"][0], worst["reference"]) == ("b", 0.0, "a")


def test_one_large_group_gives_nothing_to_judge() -> None:
    table = impact_by_group(**columns([(0, 1, "a")] * 50 + [(1, 0, "b")]), smallest=20)
    assert not table["judged"].any()
    assert table["air"].isna().all()
    assert worst_impact(table) is None


def test_ratio_interval_covers() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        hits, others = rng.binomial(300, 0.6), rng.binomial(400, 0.75)
        found = ratio_interval(hits=hits, rows=300, reference_hits=others, reference_rows=400)
        inside += found[1] <= 0.8 <= found[2]
    assert 0.92 < inside / 400 <= 0.98


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


def test_numbers_without_edges_are_cut_at_their_quarters() -> None:
    ages = np.arange(20, 80, dtype=float)
    groups = named_groups(ages, labels={})
    assert len(set(groups)) == 4
    counts = [int((groups == name).sum()) for name in sorted(set(groups))]
    assert max(counts) - min(counts) <= 1


def test_a_few_codes_stay_groups_of_their_own() -> None:
    codes = np.tile(np.arange(1.0, 13.0), 5)
    assert len(set(named_groups(codes, labels={}))) == 12
