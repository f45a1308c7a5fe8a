"""Two models from the training part: the same twice, calibrated, with a threshold from costs."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from fin_kedro.models.champion import champion_log_odds, model_frame, train_catboost
from fin_kedro.models.scorecard import scorecard_log_odds
from fin_kedro.pipelines.training import train
from tests.pipelines.samples import CHAMPION, SCORECARD, settings
from tests.pipelines.training.training_run import WEEKS, in_time, run_training


def test_two_runs_give_the_same_models_scores_and_bytes(done: dict[str, Any]) -> None:
    again = run_training()
    for name in ("champion", "scorecard", "calibrations"):
        assert json.dumps(again[name]) == json.dumps(done[name])
    pd.testing.assert_frame_equal(again["scores"], done["scores"], check_exact=True)
    assert [g.SerializeToString(deterministic=True) for g in again["graphs"]] == [
        g.SerializeToString(deterministic=True) for g in done["graphs"]
    ]


@pytest.mark.parametrize(
    ("bad", "threshold"), [(-10.0, 4 / 14), (-4.0, 0.5), (-36.0, 0.1)]
)  # approve while (1 - p) * gain > p * loss
def test_the_threshold_comes_from_the_costs(bad: float, threshold: float) -> None:
    costs = {**settings()["costs"], "approve_bad": bad}
    policy = train.set_decision_policy(settings(costs=costs))
    assert policy["threshold"] == pytest.approx(threshold)
    assert policy["costs"] == costs


def test_an_unknown_deciding_model_is_refused() -> None:
    with pytest.raises(ValueError, match="'champ'; allowed: champion, scorecard"):
        train.set_decision_policy(settings(model="champ"))


def test_training_sees_the_training_part_only(done: dict[str, Any]) -> None:
    t = done["model_table"]
    flipped = t.mutate(target=(t.part == "train").ifelse(t.target, 1 - t.target).cast("int8"))
    model, _ = train.train_champion(flipped, done["features"], CHAMPION)
    card, _ = train.train_scorecard(flipped, done["features"], SCORECARD)
    assert model == done["champion"] and card == done["scorecard"]


def test_the_latest_rows_stop_the_training(done: dict[str, Any]) -> None:
    table, latest = in_time(done), {**CHAMPION, "held_out": "latest"}
    model, _ = train.train_champion(table, done["features"], latest)
    rows = table.filter(table.part == "train").execute()
    expected = train_catboost(
        x=model_frame(rows, done["features"]), y=rows["target"].to_numpy(), time=rows["time"],
        features=done["features"], settings=CHAMPION["settings"], held_out_share=0.2, patience=10,
        seed=1,
    )  # fmt: skip
    assert model == expected != done["champion"]
    assert (
        train.train_champion(table, done["features"], {**CHAMPION, "held_out": "random"})[0]
        == (done["champion"])
    )


def test_the_search_looks_forward(done: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def search(**options: Any) -> tuple[dict[str, Any], pd.DataFrame]:
        seen.update(options)
        return options["settings"], pd.DataFrame([{"depth": 3}])

    monkeypatch.setattr(train, "search_settings", search)
    space = {"trials": 2, "space": {"depth": [2, 3]}}
    champion = {**CHAMPION, "search": {**space, **WEEKS}}
    train.train_champion(in_time(done), done["features"], champion)
    rows = in_time(done).execute().query("part == 'train'").reset_index(drop=True)
    day = rows["time"] // 86_400_000_000
    assert (seen["metric"], seen["trials"], len(seen["splits"])) == ("average_precision", 2, 2)
    for (fit, held), start in zip(seen["splits"], (12, 16), strict=True):
        assert set(day[fit]) == set(range(start - 12, start - 2))
        assert day[held].between(start, start + 3).all()
        known = rows.loc[(rows["target"] == 1) & (day >= start - 12) & (day < start - 2)]
        assert not set(rows.loc[held, "keep__card"]) & set(known["keep__card"])
    train.train_champion(
        in_time(done), done["features"], {**CHAMPION, "search": {**space, "folds": 3}}
    )
    assert seen["folds"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": "newest"}, "'newest'; allowed: random, latest"),
        ({"held_out": "latest"}, "held_out: latest needs .* no column 'time': give a column"),
        ({"search": {"trials": 1, "space": {}, **WEEKS}}, "prequential needs to know when"),
        ({"search": {"trials": 1, "space": {}, "validation": "weeks"}}, "allowed: folds, preq"),
    ],
)
def test_what_needs_a_time_says_so(
    done: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train.train_champion(done["model_table"], done["features"], {**CHAMPION, **changes})


def test_a_scorecard_of_fewer_goods_keeps_the_level(done: dict[str, Any]) -> None:
    few = {**SCORECARD, "imbalance": {"method": "undersampling", "ratio": 0.5}, "seed": 2}
    card, points = train.train_scorecard(done["model_table"], done["features"], few)
    assert card == train.train_scorecard(done["model_table"], done["features"], few)[0]
    assert card != done["scorecard"] and len(points) > 5
    x = model_frame(done["model_table"].execute(), done["features"])
    both = [scorecard_log_odds(c, x) for c in (card, done["scorecard"])]
    assert both[0].mean() == pytest.approx(both[1].mean(), abs=0.25)  # log(1/share) is 0.6


def test_a_scorecard_does_not_weigh(done: dict[str, Any]) -> None:
    weighed = {**SCORECARD, "imbalance": {"method": "weights", "ratio": 1}}
    with pytest.raises(ValueError, match="scorecard.imbalance.method is 'weights'; allowed: none,"):
        train.train_scorecard(done["model_table"], done["features"], weighed)


def test_a_champion_of_fewer_goods_is_another_one(done: dict[str, Any]) -> None:
    few = {**CHAMPION, "imbalance": {"method": "undersampling", "ratio": 0.5}}
    model, _ = train.train_champion(done["model_table"], done["features"], few)
    x = model_frame(done["model_table"].execute(), done["features"])
    shift = champion_log_odds(model, x).mean() - champion_log_odds(done["champion"], x).mean()
    assert shift > 0.3
