"""Rows in which a feature is missing: their mean probability against what happened to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fin_kedro.checks.missing_groups import missing_groups

RNG = np.random.default_rng(11)


def test_the_269_people_with_special_codes() -> None:
    """Half of them bad, and a model that approves them all: the figures by hand."""
    rows = 5000
    gone = np.arange(rows) < 269
    bad = np.where(gone, np.arange(rows) % 1000 < 147, RNG.random(rows) < 0.2).astype(int)
    given_ = np.where(gone, 0.169, 0.2)
    features = pd.DataFrame({"late": np.where(gone, np.nan, 1.0), "age": np.full(rows, 40.0)})
    table = missing_groups(features=features, target=bad, probability=given_)
    assert list(table.index) == ["late"]
    row = table.loc["late"]
    assert (row["rows"], row["judged"]) == (269, True)
    assert row["bad_rate"] == pytest.approx(147 / 269)
    # Wilson's score interval, written out
    z, n, p = norm.ppf(0.975), 269, 147 / 269
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["beyond"] == pytest.approx(low - 0.169)


def test_intervals_are_wider_the_more_groups_are_judged() -> None:
    rows = 900
    bad = (RNG.random(rows) < 0.3).astype(int)
    gone = {f"f{k}": np.where(np.arange(rows) // 300 == k, np.nan, 1.0) for k in range(3)}
    one = missing_groups(
        features=pd.DataFrame({"f0": gone["f0"]}), target=bad, probability=np.full(rows, 0.3)
    )
    three = missing_groups(features=pd.DataFrame(gone), target=bad, probability=np.full(rows, 0.3))
    assert three.loc["f0", "low"] < one.loc["f0", "low"]
    assert three.loc["f0", "high"] > one.loc["f0", "high"]


def test_few_rows_are_listed_and_stand_behind_what_is_judged() -> None:
    rows = 400
    features = pd.DataFrame({
        "few": np.where(np.arange(rows) < 30, np.nan, 1.0),
        "many": np.where(np.arange(rows) >= 200, None, "a"),
        "empty": np.where(np.arange(rows) < 150, "", "b"),
    })  # fmt: skip
    bad = (np.arange(rows) < 30).astype(int)  # nobody expected those thirty to be bad
    table = missing_groups(
        features=features, target=bad, probability=np.full(rows, 0.05), smallest=100
    )
    assert table["judged"].to_dict() == {"many": True, "empty": True, "few": False}
    assert table.index[-1] == "few" and table.loc["few", "beyond"] > 0.8


def test_nothing_missing_is_an_empty_table() -> None:
    table = missing_groups(
        features=pd.DataFrame({"a": [1.0, 2.0]}), target=[0, 1], probability=[0.2, 0.4]
    )
    assert table.empty and "beyond" in table


def test_what_cannot_be_judged_is_refused() -> None:
    features = pd.DataFrame({"a": [1.0, np.nan]})
    with pytest.raises(ValueError, match="smallest is 0"):
        missing_groups(features=features, target=[0, 1], probability=[0.2, 0.4], smallest=0)
    with pytest.raises(ValueError, match="target"):
        missing_groups(features=features, target=[0, 1, 1], probability=[0.2, 0.4, 0.1])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1)), min_size=2, max_size=60))
def test_a_model_that_gives_each_group_its_rate_is_never_beyond(
    rows: list[tuple[bool, int]],
) -> None:
    gone, bad = np.array([g for g, _ in rows]), np.array([b for _, b in rows])
    if not gone.any():
        gone[0] = True
    rate = np.where(gone, bad[gone].mean(), 0.5)
    features = pd.DataFrame({"a": np.where(gone, np.nan, 1.0)})
    table = missing_groups(features=features, target=bad, probability=rate, smallest=1)
    assert table.loc["a", "beyond"] == pytest.approx(0, abs=1e-9)
    assert table.loc["a", "rows"] == gone.sum()
