from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from fin_kedro.checks import pictures
from fin_kedro.checks.fairness import impact_by_group


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def swarm() -> Figure:
    rng = np.random.default_rng(1)
    values = pd.DataFrame({"a": rng.normal(size=200), "b": ["x", None] * 100})
    parts = pd.DataFrame({"a": rng.normal(size=200), "b": np.zeros(200)})
    return pictures.draw_swarm(values=values, contributions=parts)


def test_same_data_same_bytes() -> None:
    assert png(swarm()) == png(swarm())


def test_style_stays_inside() -> None:
    before = dict(plt.rcParams)
    swarm()
    assert dict(plt.rcParams) == before


def test_every_group_is_drawn_and_a_small_one_with_an_open_mark() -> None:
    group = ["a"] * 30 + ["b"] * 30 + ["c"] * 3
    table = impact_by_group(target=[0] * 63, approved=[1] * 63, group=group, smallest=10)
    figure = pictures.draw_impact({"sex": table}, limit=0.8)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["sex: a", "sex: b", "sex: c"]
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [False, False, True]


def test_nothing_to_judge_still_draws() -> None:
    table = impact_by_group(target=[0] * 4, approved=[1] * 4, group=["a"] * 4, smallest=10)
    assert png(pictures.draw_impact({"sex": table}, limit=0.8))


# detection


def days() -> pd.DataFrame:
    """Two weeks of card precision; one day has no interval."""
    rng = np.random.default_rng(2)
    precision = rng.uniform(0.1, 0.5, 14)
    table = pd.DataFrame({"precision": precision, "low": precision - 0.05, "high": precision + 0.1})
    table.loc[3, ["low", "high"]] = np.nan
    index = pd.Index([f"2018-08-{day:02}" for day in range(13, 27)], name="day")
    return table.assign(possible=0.6).set_index(index)


def test_card_precision_names_days_and_k() -> None:
    axis = pictures.draw_card_precision(days(), k=25).axes[0]
    assert axis.get_ylabel() == "share of the 25 cards called"
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert labels[:2] == ["08-13", "08-15"] and len(labels) == 7


@pytest.mark.parametrize(("rare", "scale"), [(False, "linear"), (True, "log")])
def test_rare_bads_are_drawn_on_logarithmic_axes(rare: bool, scale: str) -> None:
    bins = pd.DataFrame({"mean_probability": [0.001, 0.05], "bad_rate": [0.0, 0.06]})
    bins = bins.assign(low=0.0, high=[0.002, 0.07])
    axis = pictures.draw_reliability({"champion": bins}, rare=rare).axes[0]
    assert (axis.get_xscale(), axis.get_yscale()) == (scale, scale)


def test_kinds_are_named_with_how_many() -> None:
    kinds = pd.DataFrame(
        {"frauds": [1200, 3], "recall": [0.6, 1.0], "low": [0.5, np.nan], "high": [0.7, np.nan]},
        index=["terminal", "customer"],
    )
    axis = pictures.draw_recall_by_kind(kinds).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["terminal (1,200)", "customer (3)"]
    assert [patch.get_width() for patch in axis.patches] == [0.6, 1.0]


def test_parts_begin_where_their_day_is() -> None:
    weeks = pd.DataFrame(index=["2018-08-13", "2018-08-20", "2018-08-27"])
    for name in ("average_precision", "recall"):
        weeks[name], weeks[f"{name}_low"], weeks[f"{name}_high"] = 0.5, 0.4, 0.6
    since = {"test": "2018-08-13", "out_of_time": "2018-08-27"}
    axis = pictures.draw_over_time(weeks, since=since).axes[0]
    assert {t.get_text(): t.get_position()[0] for t in axis.texts} == {
        "test": -0.45,
        "out of time": 1.55,
    }
    assert not pictures.draw_over_time(weeks).axes[0].texts


def test_precision_over_recall_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    target, score = rng.integers(0, 2, 300), rng.normal(size=300).round(1)
    axis = pictures.draw_precision_recall(target=target, scores={"a": score}).axes[0]
    recall, precision = axis.lines[0].get_data()
    expected_precision, expected_recall, _ = precision_recall_curve(target, score)
    assert np.asarray(recall) == pytest.approx(expected_recall[:-1][::-1])
    assert np.asarray(precision) == pytest.approx(expected_precision[:-1][::-1])


def test_money_shows_each_model_and_what_is_in_force() -> None:
    curve = pd.DataFrame({"flagged_share": [0.1, 0.05, 0.0], "saved_share": [-3.0, 0.4, 0.0]})
    axis = pictures.draw_money({"a": curve, "b": curve}, flagged_share=0.05).axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "a",
        "b",
        "in force: 5.00%",
    ]
    assert axis.get_ylim() == pytest.approx((-0.08, 0.44))  # losses below the scale are cut off


def test_profit_is_per_what_a_row_is() -> None:
    curve = pd.DataFrame({"threshold": [0.0, 1.0], "profit": [1.0, 2.0]})
    label = pictures.draw_profit(curve, threshold=0.5, row="transaction").axes[0].get_ylabel()
    assert label == "profit per transaction"
