"""The scorecard: evidence points the right way, bins obey the sign, points say what odds say."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.models.scorecard import (
    bin_edges,
    points_table,
    scorecard_log_odds,
    to_woe,
    train_woe_scorecard,
    weight_of_evidence,
)
from tests.models.clients import FEATURES, clients

X, Y = clients()
PARAMS = {
    "max_bins": 5, "min_share": 0.05, "min_information_value": 0.02, "inverse_penalty": 1.0,
    "points_to_double_odds": 20, "base_points": 600, "base_odds": 50,
}  # fmt: skip
CODED = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=60)


def train(x: pd.DataFrame = X, y: np.ndarray = Y, **changes: Any) -> dict[str, Any]:
    return train_woe_scorecard(x=x, y=y, features=FEATURES, params={**PARAMS, **changes})


CARD = train()


# weight of evidence


@given(CODED)
def test_evidence_has_the_sign_of_the_bins_risk(sample: list[tuple[int, bool]]) -> None:
    codes, y = np.array([c for c, _ in sample]), np.array([int(b) for _, b in sample])
    if not 0 < y.sum() < len(y):
        return
    woe, value = weight_of_evidence(codes, y, 6)
    for code in range(6):
        inside = codes == code
        above = y[inside].mean() - y.mean() if inside.any() else 0.0
        assert (
            woe[code] == pytest.approx(0, abs=1e-9) if abs(above) < 1e-12 else woe[code] * above > 0
        )
    assert value >= 0


@given(CODED)
def test_evidence_is_always_finite(sample: list[tuple[int, bool]]) -> None:
    codes, y = np.array([c for c, _ in sample]), np.array([int(b) for _, b in sample])
    woe, value = weight_of_evidence(codes, y, 6)
    assert np.isfinite(woe).all() and math.isfinite(value)


def test_a_feature_that_says_nothing_has_no_information() -> None:
    assert weight_of_evidence(np.tile([0, 1], 50), np.repeat([0, 1], 50), 2)[1] == pytest.approx(0)


# bins


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([-1, 1]), st.integers(2, 8), st.integers(10, 300))
def test_bins_obey_the_sign(seed: int, sign: int, most: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.choice([rng.normal(0, 1000, rows), rng.integers(-2, 9, rows).astype(float)])
    x[rng.random(rows) < 0.1] = np.nan
    y = (rng.random(rows) < 0.3).astype(int)
    edges = bin_edges(x, y, sign=sign, max_bins=most, min_share=0.05)
    assert edges == sorted(set(edges)) and len(edges) < most
    codes = np.searchsorted(edges, x[~np.isnan(x)], side="right")
    assert set(codes) == set(range(len(edges) + 1)) or not len(codes)
    all_codes = np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="right"))
    if 0 < y.sum() < rows:
        woe, _ = weight_of_evidence(all_codes, y, len(edges) + 2)
        assert (sign * np.diff(woe[:-1]) >= -1e-9).all()


@pytest.mark.parametrize(
    ("x", "y"),
    [([np.nan] * 4, [0, 1, 0, 1]), ([1.0, 2.0], [1, 1]), ([3.0] * 4, [0, 1, 0, 1])],
    ids=["all missing", "one outcome", "one value"],
)
def test_nothing_to_cut_means_no_edges(x: list[float], y: list[int]) -> None:
    assert bin_edges(np.array(x), np.array(y), sign=1, max_bins=5, min_share=0.05) == []


def parted(x: np.ndarray, y: np.ndarray, *, sign: int = 1, most: int = 6) -> list[int]:
    """The bin of each row."""
    edges = bin_edges(x, y, sign=sign, max_bins=most, min_share=0.03)
    return np.searchsorted(edges, x, side="right").tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([
        lambda x: x + 2_000, lambda x: x + 1e9, lambda x: x - 1e12, lambda x: x * 1e-9,
        lambda x: x * 1e300, np.cbrt,
    ]),
)  # fmt: skip
def test_bins_depend_on_the_order_alone(seed: int, moved: Any) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-20, 20, 300).astype(float)
    y = (rng.random(300) < 1 / (1 + np.exp(-x / 10))).astype(int)
    assert parted(moved(x), y) == parted(x, y)


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e300, 1e300), st.integers(1, 5))
def test_a_cut_separates_neighbours_however_near(low: float, steps: int) -> None:
    high = low
    for _ in range(steps):
        high = float(np.nextafter(high, np.inf))
    x, y = np.repeat([low, high], 20), np.repeat([0, 1], 20)
    [edge] = bin_edges(x, y, sign=1, max_bins=2, min_share=0.03)
    assert low < edge <= high


def test_cuts_are_written_with_no_more_digits_than_they_need() -> None:
    for low, high, cut in (
        (1, 2, 1.5),
        (1000, 1500, 1250),
        (1000, 1510, 1260),
        (2012, 2013, 2012.5),
    ):
        x, y = np.repeat([float(low), high], 20), np.repeat([0, 1], 20)
        assert bin_edges(x, y, sign=1, max_bins=2, min_share=0.03) == [cut]


def area(score: np.ndarray, y: np.ndarray) -> float:
    """The AUC, pair by pair."""
    more = score[y == 1][:, None] - score[y == 0][None, :]
    return float(np.mean((more > 0) + (more == 0) / 2))


@pytest.mark.parametrize(
    ("values", "shift"),
    [(np.arange(2005, 2025), 2000), (np.arange(1_000_000, 1_009_000, 450), 1_000_000)],
    ids=["year", "amount"],
)
def test_a_feature_far_from_zero_tells_as_much(values: np.ndarray, shift: int) -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(0, 20, 2000)
    y = (rng.random(2000) < 1 / (1 + np.exp(-0.25 * (place - 10) + 1))).astype(int)
    far, near = (pd.DataFrame({"v": values[place].astype(float) - d}) for d in (0, shift))
    cards = [
        train_woe_scorecard(x=x, y=y, features={"v": {"nominal": False, "sign": 1}}, params=PARAMS)
        for x in (far, near)
    ]
    scores = [scorecard_log_odds(card, x) for card, x in zip(cards, (far, near), strict=True)]
    assert scores[0].tolist() == scores[1].tolist()
    assert len(cards[0]["bins"]["v"]["edges"]) == 4  # max_bins is 5
    # five bins of twenty places keep nearly all that the places tell
    assert area(scores[0], y) > area(place, y) - 0.02
    assert points_table(cards[0])["bin"].is_unique


def test_the_table_of_points_shows_every_digit_of_a_cut() -> None:
    x = pd.DataFrame({"v": np.repeat([1_000_001.0, 1_000_002.0], 200)})
    card = train_woe_scorecard(
        x=x, y=np.repeat([0, 1], 200), params=PARAMS, features={"v": {"nominal": False, "sign": 1}}
    )
    assert points_table(card)["bin"].tolist() == ["below 1000002", "1000002 and more", "missing"]


def test_a_bin_holds_its_lower_edge() -> None:
    bins = {"nominal": False, "edges": [1.0, 2.0], "woe": [-1.0, 0.0, 1.0], "missing_woe": 0.5}
    found = to_woe(bins, pd.Series([-np.inf, 0.9, 1.0, 1.9, 2.0, np.inf, np.nan]))
    assert found.tolist() == [-1, -1, 0, 0, 1, 1, 0.5]


# the card


def test_every_kept_feature_counts_in_its_own_direction() -> None:
    assert set(CARD["features"]) == set(FEATURES)
    assert all(c > 0 for c in CARD["coefficients"].values())
    for name, sign in (("delay", 1), ("income", -1)):
        assert (sign * np.diff(CARD["bins"][name]["woe"]) >= 0).all()
        assert (sign * np.diff(CARD["bins"][name]["points"]) <= 0).all()


def test_the_card_is_plain_json_and_the_same_every_time() -> None:
    assert json.loads(json.dumps(CARD)) == CARD == train()


def points_of(x: pd.DataFrame) -> np.ndarray:
    """Add up the points as a person would."""
    score = np.zeros(len(x))
    for name in CARD["features"]:
        bins = CARD["bins"][name]
        points = {"woe": bins["points"], "missing_woe": bins["missing_points"]}
        score += to_woe({**bins, **points, "other_woe": bins.get("other_points", 0)}, x[name])
    return score


def test_points_say_what_log_odds_say_within_rounding() -> None:
    strange = pd.DataFrame({"delay": [np.nan, 99.0], "income": [np.nan, 1.0], "job": ["", "poet"]})
    x = pd.concat([X, strange])
    factor = 20 / math.log(2)
    exact = 600 - factor * (math.log(50) + scorecard_log_odds(CARD, x))
    assert np.abs(points_of(x) - exact).max() <= 0.5 * len(CARD["features"])


def test_an_unseen_category_is_no_evidence() -> None:
    assert to_woe(CARD["bins"]["job"], pd.Series(["poet", "Clerk", " "])).tolist() == [0, 0, 0]


def test_missing_has_a_bin_of_its_own() -> None:
    x = X.assign(income=np.where(Y == 1, np.nan, X["income"]))
    bins = train(x)["bins"]["income"]
    assert bins["missing_woe"] > 0 > max(bins["woe"])
    assert to_woe(bins, pd.Series([np.nan]))[0] == bins["missing_woe"]


def test_missing_where_training_saw_none_is_no_evidence() -> None:
    assert CARD["bins"]["delay"]["missing_woe"] == 0


def test_rare_categories_share_a_bin() -> None:
    jobs = X["job"].mask(X.index < 10, "poet").mask((X.index >= 10) & (X.index < 20), "diver")
    assert ["diver", "poet"] in train(X.assign(job=jobs))["bins"]["job"]["groups"]


def test_features_without_information_are_left_out_or_refused() -> None:
    random = X.assign(job=np.where(X.index % 2, "a", "b"))
    assert "job" not in train(random)["features"]
    with pytest.raises(ValueError, match="no feature reaches an information value of 99"):
        train(min_information_value=99)


def test_the_table_of_points_has_a_row_a_bin() -> None:
    table = points_table(CARD)
    for name, bins in CARD["bins"].items():
        shown = table[table["feature"] == name]
        assert shown["points"].tolist() == [*bins["points"], bins["missing_points"]]
        assert shown["bin"].is_unique
