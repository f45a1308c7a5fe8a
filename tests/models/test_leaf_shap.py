"""SHAP values tabulated per leaf are CatBoost's, and satisfy Shapley's axioms."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from catboost import Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.models.catboost_trees import Trees, columns, leaves, raw_log_odds, read_trees
from fin_kedro.models.leaf_shap import expected_value, leaf_shap, set_values
from tests.models import lending


def contributions(trees: Trees, values: np.ndarray) -> np.ndarray:
    total = np.zeros((len(values), len(trees.features)))
    reached = leaves(trees, values)
    for t, (features, shap) in enumerate(leaf_shap(trees)):
        total[:, features] += shap[:, reached[:, t]].T
    return total


@pytest.mark.parametrize("options", [{}, {"depth": 8, "iterations": 30}, {"one_hot_max_size": 0}])
def test_leaf_table_equals_catboost_shap(options: dict[str, Any]) -> None:
    frame = lending.applications(2500)
    known, strange = lending.model_table(frame), lending.model_table(lending.unseen(frame))
    model, champion = lending.train(known, lending.outcome(frame), **options)
    trees = read_trees(champion["model"])
    for rows in (known, strange):
        theirs = model.get_feature_importance(
            Pool(rows, cat_features=lending.NOMINAL), type="ShapValues"
        )
        ours = contributions(trees, columns(trees, rows))
        np.testing.assert_allclose(ours, theirs[:, :-1], atol=1e-10)
        assert expected_value(trees) == pytest.approx(theirs[0, -1], abs=1e-10)
        total = expected_value(trees) + ours.sum(axis=1)
        np.testing.assert_allclose(total, raw_log_odds(trees, columns(trees, rows)), atol=1e-10)


@st.composite
def tree(draw: st.DrawFn) -> Trees:
    """One random tree of depth 1 to 4 whose splits belong to at most 3 features."""
    depth = draw(st.integers(1, 4))
    owner = draw(st.lists(st.integers(0, 2), min_size=depth, max_size=depth))
    size = 2**depth
    number = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3))
    weight = np.array(draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)), float)
    value = np.array(draw(st.lists(number, min_size=size, max_size=size)))
    weight[0] += 1
    return Trees(
        features=("a", "b", "c"),
        numeric=(0, 1, 2),
        tables=(),
        owner=np.array(owner),
        split_column=[np.arange(depth)],
        border=[np.zeros(depth, np.float32)],
        leaf_value=[np.where(weight > 0, value, 0.0)],
        leaf_weight=[weight],
        scale=1.0,
        bias=0.0,
    )


def by_recursion(trees: Trees, known: set[int], leaf: int) -> float:
    """The path-dependent expectation, node by node from the root."""
    value, weight, owner = trees.leaf_value[0], trees.leaf_weight[0], trees.owner

    def walk(split: int, values: np.ndarray, weights: np.ndarray) -> float:
        if split < 0:
            return float(values[0])
        half = len(values) // 2
        sides = [(values[:half], weights[:half]), (values[half:], weights[half:])]
        if owner[split] in known:
            return walk(split - 1, *sides[leaf >> split & 1])
        if not weights.sum():
            return 0.0
        return sum(walk(split - 1, v, w) * w.sum() / weights.sum() for v, w in sides)

    return walk(len(owner) - 1, value, weight)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(trees=tree())
def test_leaf_table_is_the_average_over_all_orders_of_features(trees: Trees) -> None:
    features, values = leaf_shap(trees)[0]
    orders = list(permutations(features.tolist()))
    for leaf in range(len(trees.leaf_value[0])):
        for row, feature in enumerate(features.tolist()):
            gains = []
            for order in orders:
                before = set(order[: order.index(feature)])
                with_it = by_recursion(trees, before | {feature}, leaf)
                gains.append(with_it - by_recursion(trees, before, leaf))
            assert values[row, leaf] == pytest.approx(np.mean(gains), abs=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(trees=tree())
def test_contributions_add_up_to_the_leaf(trees: Trees) -> None:
    _, values = leaf_shap(trees)[0]
    total = expected_value(trees) + values.sum(axis=0)
    np.testing.assert_allclose(total, trees.leaf_value[0], atol=1e-9)


def test_set_values_of_one_split() -> None:
    got = set_values(np.array([1.0, 5.0]), np.array([30.0, 10.0]))
    assert got.tolist() == [[2.0, 2.0], [1.0, 5.0]]


def test_tree_without_split_explains_nothing() -> None:
    empty = Trees(
        features=("a",),
        numeric=(0,),
        tables=(),
        owner=np.array([0]),
        split_column=[np.array([], np.int64)],
        border=[np.array([], np.float32)],
        leaf_value=[np.array([0.7])],
        leaf_weight=[np.array([10.0])],
        scale=1.0,
        bias=0.1,
    )
    assert leaf_shap(empty)[0][1].shape == (0, 1)
    assert expected_value(empty) == pytest.approx(0.8)
