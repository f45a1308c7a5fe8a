"""The champion: the same every time, obedient to the signs, plain JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fin_kedro.models.champion import (
    champion_log_odds,
    model_frame,
    search_settings,
    shap_values,
    train_catboost,
)
from tests.models.clients import FEATURES, clients

X, Y = clients()
SETTINGS = {"iterations": 40, "depth": 4, "learning_rate": 0.2, "thread_count": 1}


def train(**changes: Any) -> dict[str, Any]:
    return train_catboost(
        x=X, y=Y, features=FEATURES, settings={**SETTINGS, **changes}, patience=10, seed=7
    )


@pytest.fixture(scope="module")
def champion() -> dict[str, Any]:
    return train()


def test_two_trainings_are_the_same_to_the_letter(champion: dict[str, Any]) -> None:
    assert json.dumps(train(), sort_keys=True) == json.dumps(champion, sort_keys=True)


def test_another_seed_is_another_model(champion: dict[str, Any]) -> None:
    other = train_catboost(x=X, y=Y, features=FEATURES, settings=SETTINGS, patience=10, seed=8)
    assert other["model"] != champion["model"]


def test_the_json_carries_no_date_and_no_random_name(champion: dict[str, Any]) -> None:
    info = champion["model"]["model_info"]
    assert (info["model_guid"], info["train_finish_time"]) == ("", "")


def test_through_json_and_back_it_scores_the_same(champion: dict[str, Any]) -> None:
    again = json.loads(json.dumps(champion))
    assert np.array_equal(champion_log_odds(again, X), champion_log_odds(champion, X))


def test_something_else_in_json_is_refused(champion: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no CatBoost model in JSON"):
        champion_log_odds({**champion, "model": {"a": 1}}, X)


@pytest.mark.parametrize("count", [None, 0, -1, "2", 1.0])
def test_the_thread_count_must_be_a_constant(count: Any) -> None:
    with pytest.raises(ValueError, match="thread_count is .*give a constant of at least 1"):
        train(thread_count=count)


def test_combined_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="max_ctr_complexity is 2"):
        train(max_ctr_complexity=2)


def test_early_stopping_finds_no_more_trees_than_allowed(champion: dict[str, Any]) -> None:
    assert 1 <= champion["trees"] <= SETTINGS["iterations"]
    assert len(champion["model"]["oblivious_trees"]) == champion["trees"]


@pytest.mark.parametrize(("name", "sign"), [("delay", 1), ("income", -1)])
def test_the_expected_sign_holds_for_everyone(
    champion: dict[str, Any], name: str, sign: int
) -> None:
    steps = np.linspace(0, X[name].max(), 12)
    scores = [champion_log_odds(champion, X.assign(**{name: v})) for v in steps]
    assert (sign * np.diff(scores, axis=0) >= 0).all()
    assert np.ptp(scores) > 0.1


def test_without_signs_the_noise_is_learnt() -> None:
    free = {name: {**f, "sign": 0} for name, f in FEATURES.items()}
    model = train_catboost(x=X, y=Y, features=free, settings=SETTINGS, patience=10)
    three, four = (champion_log_odds(model, X.assign(delay=v)).mean() for v in (3.0, 4.0))
    assert four < three


def test_unseen_and_missing_values_are_scored(champion: dict[str, Any]) -> None:
    strange = pd.DataFrame({"delay": [np.nan, 99.0], "income": [np.nan] * 2, "job": ["", "poet"]})
    assert np.isfinite(champion_log_odds(champion, strange)).all()


def test_the_order_of_columns_does_not_matter(champion: dict[str, Any]) -> None:
    turned = X[["job", "income", "delay"]]
    assert np.array_equal(champion_log_odds(champion, turned), champion_log_odds(champion, X))


def test_shap_values_add_up_to_the_log_odds(champion: dict[str, Any]) -> None:
    values, expected = shap_values(champion, X)
    assert list(values) == list(FEATURES)
    np.testing.assert_allclose(
        values.sum(axis=1) + expected, champion_log_odds(champion, X), atol=1e-8
    )


def test_model_frame_makes_numbers_and_words() -> None:
    table = pd.DataFrame(
        {"delay": [1, None], "income": [1, 2], "job": [None, "clerk"], "x": [0, 0]}
    )
    frame = model_frame(table, FEATURES)
    assert list(frame) == list(FEATURES)
    assert frame["job"].tolist() == ["", "clerk"] and np.isnan(frame["delay"][1])


# the search

SPACE = {"depth": [2, 3], "learning_rate": [0.05, 0.1, 0.2], "l2_leaf_reg": [1, 10]}


def search(trials: int = 4, seed: int = 3) -> tuple[dict[str, Any], pd.DataFrame]:
    return search_settings(
        x=X[:400], y=Y[:400], features=FEATURES, settings={**SETTINGS, "iterations": 8},
        space=SPACE, trials=trials, folds=2, seed=seed,
    )  # fmt: skip


def test_the_search_is_bounded_and_seeded() -> None:
    best, table = search()
    again, same = search()
    assert best == again and table.equals(same)
    assert len(table) == 4
    assert not search(seed=4)[1].equals(table)


def test_the_best_settings_are_the_first_row_and_plain_json() -> None:
    best, table = search()
    assert table["auc"].is_monotonic_decreasing
    assert all(best[name] == table.loc[0, name] and best[name] in SPACE[name] for name in SPACE)
    assert json.loads(json.dumps(best)) == best
    assert best["thread_count"] == 1
