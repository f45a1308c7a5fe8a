"""CatBoost's JSON read as arrays gives CatBoost's own log odds."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier, Pool

from fin_kedro.models.catboost_trees import (
    CatBoostModelError,
    columns,
    leaves,
    projection_hash,
    raw_log_odds,
    read_trees,
)
from tests.models import lending

CTRS = {
    "defaults": {},
    "one-hot": {"one_hot_max_size": 255, "iterations": 30},
    "no one-hot": {"one_hot_max_size": 0},
    "buckets": {"simple_ctr": ["Buckets:Prior=0.5/1"]},
    "mean": {"simple_ctr": ["BinarizedTargetMeanValue:Prior=0.3/1"]},
    "counter": {"simple_ctr": ["Counter:Prior=0.1/1"]},
    "more borders": {"simple_ctr": ["Borders:CtrBorderCount=40:Prior=0/1:Prior=2/1"]},
    "ordered": {"boosting_type": "Ordered", "iterations": 40},
    "depth 3": {"depth": 3, "auto_class_weights": "Balanced"},
}


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    frame, strange = lending.applications(2500), lending.unseen(lending.applications(2500))
    known, new = lending.model_table(frame), lending.model_table(strange)
    return {"known": known, "strange": new, "bad": lending.outcome(frame)}


@pytest.mark.parametrize("name", CTRS)
def test_arrays_give_catboost_log_odds(data: dict[str, Any], name: str) -> None:
    model, champion = lending.train(data["known"], data["bad"], **CTRS[name])
    trees = read_trees(champion["model"])
    for rows in (data["known"], data["strange"]):
        expected = model.predict(rows, prediction_type="RawFormulaVal")
        values = columns(trees, rows)
        np.testing.assert_array_equal(leaves(trees, values), model.calc_leaf_indexes(rows))
        np.testing.assert_allclose(raw_log_odds(trees, values), expected, atol=1e-10, rtol=0)


def test_model_restored_from_json_predicts_and_explains_the_same(
    data: dict[str, Any], tmp_path: Path
) -> None:
    model, champion = lending.train(data["known"], data["bad"])
    path = tmp_path / "model.json"
    path.write_text(json.dumps(champion["model"]))
    restored = CatBoost().load_model(str(path), format="json")
    pool = Pool(data["strange"], cat_features=lending.NOMINAL)
    raw = model.predict(pool, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(restored.predict(pool), raw, atol=1e-12, rtol=0)
    for one, other in [(restored, model)]:
        theirs = other.get_feature_importance(pool, type="ShapValues")
        ours = one.get_feature_importance(pool, type="ShapValues")
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_projection_hash_of_a_negative_hash_is_sign_extended() -> None:
    assert projection_hash(0) == 0
    assert projection_hash(2**32 - 1) != projection_hash(1)
    assert 0 <= projection_hash(2**31) < 2**64


def test_numbers_only_model_has_no_tables(data: dict[str, Any]) -> None:
    model, champion = lending.train(data["known"][["amount", "income"]], data["bad"], iterations=10)
    trees = read_trees(champion["model"])
    assert trees.tables == ()
    expected = model.predict(data["known"][["amount", "income"]], prediction_type="RawFormulaVal")
    got = raw_log_odds(trees, columns(trees, data["known"]))
    np.testing.assert_allclose(got, expected, atol=1e-12)


def fitted(table: pd.DataFrame, bad: np.ndarray, tmp_path: Path, **settings: Any) -> dict:
    pool = Pool(table, bad, cat_features=[n for n in lending.NOMINAL if n in table])
    fixed = {"iterations": 20, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = CatBoostClassifier(**(fixed | settings)).fit(pool)
    model.save_model(str(tmp_path / "m.json"), format="json", pool=pool)
    return json.loads((tmp_path / "m.json").read_text())


@pytest.mark.parametrize(
    ("settings", "next_step"),
    [
        ({"max_ctr_complexity": 3, "one_hot_max_size": 2}, "max_ctr_complexity=1"),
        ({"nan_mode": "Max", "max_ctr_complexity": 1}, "nan_mode=Min"),
        ({"grow_policy": "Depthwise", "max_ctr_complexity": 1}, "SymmetricTree"),
    ],
)
def test_inexact_models_are_refused_with_the_setting_to_change(
    data: dict[str, Any], tmp_path: Path, settings: dict, next_step: str
) -> None:
    table = data["known"]
    if "grow_policy" in settings:  # CatBoost writes no JSON of asymmetric trees with categories
        table = table[["amount", "income"]]
    try:
        model = fitted(table, data["bad"], tmp_path, **settings)
    except Exception as error:
        pytest.skip(f"CatBoost itself refuses: {error}")
    with pytest.raises(CatBoostModelError, match=next_step):
        read_trees(model)


def test_model_saved_without_pool_or_with_more_outputs_is_refused(data: dict[str, Any]) -> None:
    _, champion = lending.train(data["known"], data["bad"], iterations=10)
    without = copy.deepcopy(champion["model"])
    del without["features_info"]["cat_features_hash"]
    with pytest.raises(CatBoostModelError, match="pool"):
        read_trees(without)
    several = champion["model"] | {"scale_and_bias": [1, [0, 0, 0]]}
    with pytest.raises(CatBoostModelError, match="binary"):
        read_trees(several)
    unknown = copy.deepcopy(champion["model"])
    unknown["features_info"]["ctrs"][0]["ctr_type"] = "FloatTargetMeanValue"
    with pytest.raises(CatBoostModelError, match="simple_ctr"):
        read_trees(unknown)
