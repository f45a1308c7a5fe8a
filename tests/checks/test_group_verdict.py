from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.fairness import calibration_by_group, impact_by_group
from fin_kedro.checks.group_verdict import (
    NO_DIFFERENCE,
    Finding,
    group_figures,
    judge_groups,
    rows_to_judge,
    size_of,
)

LIMITS: dict[str, dict[str, float]] = {
    "FAI-AIR": {"min": 0.8, "attention_min": 0.9},
    "FAI-OPPORTUNITY": {"max": 0.1, "attention_max": 0.05},
    "FAI-CALIBRATION": {"max": 0.06, "attention_max": 0.03},
}


def judged(groups: dict[str, tuple[int, float, float, float]], **changes: Any) -> Finding:
    """Ratios of groups, each (rows, value, low, high), by the four-fifths rule."""
    figures = pd.DataFrame.from_dict(
        groups, orient="index", columns=["rows", "value", "low", "high"]
    ).assign(told=list(groups))
    asked = {"limits": LIMITS["FAI-AIR"], "no_difference": 1, "smallest": 100}
    return judge_groups(figures, **{**asked, **changes})


@pytest.mark.parametrize(
    ("group", "status"),
    [
        ((500, 0.70, 0.60, 0.79), "fail"),  # low, surely under the limit
        ((500, 0.79, 0.70, 0.89), "fail"),  # low, surely a difference
        ((500, 0.70, 0.45, 1.05), "not_judged"),  # low, perhaps by chance
        ((500, 0.85, 0.75, 0.96), "attention"),  # surely a difference, perhaps beyond the limit
        ((500, 0.85, 0.81, 0.89), "attention"),  # within the limit, beyond the warning
        ((500, 0.95, 0.85, 1.06), "pass"),
        ((500, 0.95, 0.70, 1.20), "not_judged"),  # the rows cannot tell
        ((79, 0.575, 0.40, 0.80), "attention"),  # few rows cannot fail, and do not pass unseen
        ((79, 0.575, 0.30, 1.10), "not_judged"),
    ],
    ids=str,
)
def test_size_and_interval_decide_together(
    group: tuple[int, float, float, float], status: str
) -> None:
    found = judged({"a": group, "steady": (900, 0.99, 0.95, 1.03)})
    assert found.status == status
    if status not in ("pass",):
        assert (found.value, found.low, found.high) == group[1:]
    assert ("too few rows" in found.detail) == (status == "not_judged")


def test_a_small_group_within_the_limit_says_nothing() -> None:
    steady = (900, 0.99, 0.95, 1.03)
    assert judged({"few": (20, 0.9, 0.3, 1.4), "steady": steady}).status == "pass"
    alone = judged({"few": (20, 0.9, 0.3, 1.4)})
    assert alone.status == "not_judged" and "few (20 rows)" in alone.detail


def test_the_worst_group_decides_and_small_ones_beyond_the_limit_are_named() -> None:
    found = judged({"low": (500, 0.7, 0.6, 0.79), "few": (9, 0.3, 0.1, 1.2)})
    assert (found.status, found.value) == ("fail", 0.7)
    assert found.detail == "low; beyond the limit in few rows: few 0.3 (9 rows)"


def test_a_bound_on_the_interval_binds() -> None:
    limits = {"min": 0.8, "low_min": 0.9}
    assert judged({"a": (500, 0.93, 0.88, 0.98)}, limits=limits).status == "fail"
    assert judged({"a": (500, 0.97, 0.88, 1.08)}, limits=limits).status == "not_judged"


def test_without_any_figure_the_gate_fails() -> None:
    nothing = (500, float("nan"), float("nan"), float("nan"))
    found = judged({"a": nothing})
    assert (found.status, found.value) == ("fail", None)
    assert "no figure for a" in judged({"a": nothing, "b": (500, 1.0, 0.9, 1.1)}).detail


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1))
def test_the_size_of_a_gap_covers_what_the_gap_covers(drawn: list[tuple[float, ...]]) -> None:
    gap, below, above = (pd.Series(column) for column in zip(*drawn, strict=True))
    found = size_of(gap, gap - below, gap + above)
    assert (found["low"] <= found["value"]).all() and (found["value"] <= found["high"]).all()
    holds = (gap - below <= 0) & (gap + above >= 0)
    assert ((found["low"] == 0) | ~holds).all()


def test_small_groups_pool_calibration_and_test() -> None:
    part = np.array(["train"] * 10 + ["calibration"] * 3 + ["test"] * 4)
    group = np.array(["a"] * 10 + ["a", "b", "c"] + ["a", "a", "b", "b"], dtype=object)
    # c has no row in the test part at all: it must not be overlooked
    assert rows_to_judge(group=group, part=part, smallest=2).tolist() == [False] * 10 + [True] * 7
    without = group != "c"
    found = rows_to_judge(group=group[without], part=part[without], smallest=2)
    assert found.tolist() == [False] * 12 + [True] * 4


def verdicts(
    rng: np.random.Generator, rows: dict[str, int], approval: dict[str, float]
) -> dict[str, Finding]:
    """The three verdicts on groups with these rows and approval rates; 30 in 100 are bad."""
    group = np.repeat(list(rows), list(rows.values()))
    target = (rng.random(len(group)) < 0.3).astype(int)
    rate = np.array([approval[name] for name in group])
    approved = (rng.random(len(group)) < rate).astype(int)
    figures = group_figures(
        impact_by_group(target=target, approved=approved, group=group),
        calibration_by_group(target=target, probability=np.full(len(group), 0.3), group=group),
    )
    return {
        code: judge_groups(
            figures[code], limits=LIMITS[code], no_difference=NO_DIFFERENCE[code], smallest=100
        )
        for code in LIMITS
    }


def test_identical_groups_seldom_fail_and_pass_once_there_are_rows() -> None:
    rng, alike = np.random.default_rng(5), dict.fromkeys("abcde", 0.7)
    few = [verdicts(rng, dict.fromkeys("abcde", 100), alike) for _ in range(24)]
    many = [verdicts(rng, dict.fromkeys("abcde", 4000), alike) for _ in range(3)]
    for code in LIMITS:
        found = [verdict[code].status for verdict in few]
        assert found.count("fail") <= 4, "5 in 100 by chance: 5 of 24 once in 160 runs"
        assert found.count("not_judged") > 12
        assert {verdict[code].status for verdict in many} <= {"pass", "attention"}


def test_a_real_disparity_is_found() -> None:
    rng = np.random.default_rng(6)
    found = verdicts(rng, {"a": 800, "b": 800}, {"a": 0.8, "b": 0.5})
    assert found["FAI-AIR"].status == found["FAI-OPPORTUNITY"].status == "fail"
    assert found["FAI-AIR"].detail == "b against a"


def test_79_rows_with_a_low_ratio_are_not_silently_green() -> None:
    # 36 of 79 are 45.6 %, against 80 % of the large group: a ratio of .570
    target = np.zeros(1079, dtype=int)
    approved = np.r_[np.ones(800), np.zeros(200), np.ones(36), np.zeros(43)].astype(int)
    group = np.repeat(["many", "few"], [1000, 79])
    impact = impact_by_group(target=target, approved=approved, group=group)
    figures = group_figures(
        impact, calibration_by_group(target=target, probability=target * 0.0, group=group)
    )
    found = judge_groups(
        figures["FAI-AIR"], limits=LIMITS["FAI-AIR"], no_difference=1, smallest=100
    )
    assert found.value == pytest.approx((36 / 79) / 0.8)
    assert (found.status, found.detail) == ("attention", "few against many (79 rows)")
