"""The champion: the same every time, obedient to the signs, plain JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from fin_kedro.models.calibration import calibrate, fit_platt
from fin_kedro.models.champion import (
    _hold_out,
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


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
def test_the_search_ranks_by_the_metric_asked_for(metric: str) -> None:
    splits = [(np.arange(300), np.arange(300, 400)), (np.arange(100, 400), np.arange(100))]
    options: dict[str, Any] = {
        "x": X[:400], "y": Y[:400], "features": FEATURES, "space": SPACE, "trials": 3, "seed": 3,
        "settings": {**SETTINGS, "iterations": 8}, "splits": splits, "metric": metric,
    }  # fmt: skip
    measure = {"auc": roc_auc_score, "average_precision": average_precision_score}[metric]
    _, table = search_settings(**options)
    gone = X["income"][:400].isna()
    seen = X[:400].assign(income=X["income"][:400].fillna(X["income"][:400].median()), gone=gone)
    seen["gone"] = seen["gone"].astype(float)
    assert table[metric].is_monotonic_decreasing
    row = table.iloc[0]
    scores = []
    for fit, held in splits:
        settings = {**SETTINGS, "iterations": 8, **{k: row[k].item() for k in SPACE}}
        model = CatBoostClassifier(
            **settings, random_seed=3, max_ctr_complexity=1, monotone_constraints=[1, -1, 0, 0],
            allow_writing_files=False, verbose=0,
        )  # fmt: skip
        model.fit(seen.iloc[fit], Y[fit], cat_features=["job"])
        odds = model.predict(seen.iloc[held], prediction_type="RawFormulaVal")
        scores.append(measure(Y[held], odds))
    assert row[metric] == pytest.approx(np.mean(scores))
    assert row[f"{metric}_sd"] == pytest.approx(np.std(scores))


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="'f1'; allowed: auc, average_precision"):
        search_settings(
            x=X, y=Y, features=FEATURES, settings=SETTINGS, space=SPACE, trials=1, metric="f1"
        )


# few bads


def rare(rows: int = 6000) -> tuple[pd.DataFrame, np.ndarray]:
    """Clients of whom about 1 in 50 is bad, as their known risk says."""
    x, _ = clients(rows, seed=5)
    log_odds = (0.8 * x["delay"] - x["income"].fillna(40) / 30 - 5).to_numpy()
    return x, (np.random.default_rng(5).random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)


BALANCES: list[dict[str, Any]] = [
    {"method": "none"}, {"method": "weights", "ratio": 3}, {"method": "undersampling", "ratio": 3},
]  # fmt: skip


@pytest.mark.parametrize("imbalance", BALANCES, ids=[b["method"] for b in BALANCES])
def test_probabilities_are_calibrated_whatever_the_balance(imbalance: dict[str, Any]) -> None:
    x, y = rare()
    fit, rest = slice(0, 3000), slice(3000, 6000)
    champion = train_catboost(
        x=x[fit], y=y[fit], features=FEATURES, settings=SETTINGS, patience=10, imbalance=imbalance
    )
    odds = champion_log_odds(champion, x[rest])
    half = len(odds) // 2
    calibration = fit_platt(log_odds=odds[:half], y=y[rest][:half])
    p = calibrate(calibration, odds[half:])
    shift = p.mean() - 1 / (1 + np.exp(-odds[half:].mean()))
    assert (shift < -0.05) == (imbalance["method"] != "none"), "the balance shifts the log odds"
    assert p.mean() == pytest.approx(y[rest][half:].mean(), rel=0.35)
    assert 0.6 < calibration["slope"] < 1.6
    assert roc_auc_score(y[rest], odds) > 0.75


def test_no_balance_is_no_change(champion: dict[str, Any]) -> None:
    same = train_catboost(
        x=X, y=Y, features=FEATURES, settings=SETTINGS, patience=10, seed=7,
        imbalance={"method": "none", "ratio": None},
    )  # fmt: skip
    enough = train_catboost(  # goods do not outweigh bads so far
        x=X, y=Y, features=FEATURES, settings=SETTINGS, patience=10, seed=7,
        imbalance={"method": "undersampling", "ratio": 50},
    )  # fmt: skip
    assert json.dumps(same) == json.dumps(enough) == json.dumps(champion)


# rows in time


def test_the_latest_rows_are_held_out_in_any_order() -> None:
    time = np.random.default_rng(2).permutation(len(Y))
    *_, fit_y, stop_y = _hold_out(X, Y, 0.2, 7, time)
    fit_x, stop_x, *_ = _hold_out(X, Y, 0.2, 7, time)
    assert len(stop_x) == round(0.2 * len(Y))
    assert time[stop_x.index].min() > time[fit_x.index].max()
    assert (Y[stop_x.index] == stop_y).all() and (Y[fit_x.index] == fit_y).all()


def test_training_with_time_repeats_and_is_another_model(champion: dict[str, Any]) -> None:
    options: dict[str, Any] = {
        "x": X, "y": Y, "features": FEATURES, "settings": SETTINGS, "patience": 10, "seed": 7,
    }  # fmt: skip
    time = np.arange(len(Y))[::-1]
    timed = train_catboost(**options, time=time)
    assert json.dumps(timed) == json.dumps(train_catboost(**options, time=time))
    assert timed["model"] != champion["model"]


def test_a_hold_out_of_one_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="hold one outcome only; change champion.held_out_share"):
        train_catboost(
            x=X, y=np.sort(Y), features=FEATURES, settings=SETTINGS, time=np.arange(len(Y))
        )
