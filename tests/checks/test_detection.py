"""Detection figures against slow references, and their intervals against drawn cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import average_precision_score, roc_auc_score

from fin_kedro.checks import detection
from fin_kedro.checks.calibration import calibration_table
from fin_kedro.checks.detection import (
    DAY,
    Scored,
    calibration_by_card,
    card_precision_by_day,
    detection_table,
    figures_over_time,
    means_by_card,
    money_curve,
    recall_by_kind,
    saved_cents,
    scored_transactions,
    threshold_at_rate,
    worth_flagging,
)
from fin_kedro.checks.discrimination import discrimination_table

COSTS = {"missed_fraud_share_of_amount": 0.8, "review": 200, "friction": 700}
SETTINGS: dict[str, Any] = {
    "cards": "keep__card", "time": "keep__time", "amount": "keep__amount", "kind": "keep__kind",
    "k": 3, "false_positive_rate": 0.1, "costs": COSTS,
}  # fmt: skip


def table_of(rng: np.random.Generator, rows: int, cards: int, days: int) -> pd.DataFrame:
    """Draw transactions; the first two make sure that both classes are there."""
    target = (rng.random(rows) < 0.15).astype(int)
    target[:2] = 0, 1
    return pd.DataFrame(
        {
            "target": target,
            "keep__card": rng.integers(0, cards, rows) + 100,
            "keep__time": rng.integers(0, days * DAY, rows),
            "keep__amount": rng.integers(0, 30_000, rows),
            "keep__kind": np.where(target == 1, rng.choice(["a", "b"], rows), None),
        }
    )


def bank_of(seed: int, rows: int = 120, cards: int = 25, days: int = 5, digits: int = 2) -> Scored:
    """Score drawn transactions; few digits make many ties."""
    rng = np.random.default_rng(seed)
    table = table_of(rng, rows, cards, days)
    score = np.round(np.clip(rng.normal(0.3 + 0.2 * table["target"], 0.2), 0, 1), digits)
    return scored_transactions(table, score=score, settings=SETTINGS)


@st.composite
def banks(draw: st.DrawFn) -> Scored:
    return bank_of(
        draw(st.integers(0, 2**32 - 1)),
        rows=draw(st.integers(4, 200)),
        cards=draw(st.integers(1, 30)),
        days=draw(st.integers(1, 6)),
        digits=draw(st.sampled_from([1, 2, 8])),
    )


# slow references: one rule a line, no arrays


def slow_card_precision(data: Scored, k: int) -> list[float]:
    gone: set[int] = set()
    series = []
    for day in sorted(set(data.day.tolist())):
        best: dict[int, tuple[float, int]] = {}
        for card, score, bad, when in zip(
            data.card, data.score, data.target, data.day, strict=True
        ):
            if when == day and card not in gone:
                highest, any_bad = best.get(card, (-1.0, 0))
                best[card] = max(highest, score), max(any_bad, bad)
        called = sorted(best, key=lambda card: (-best[card][0], card))[:k]
        found = {card for card in called if best[card][1]}
        gone |= found
        series.append(len(found) / k)
    return series


def slow_recall_at_rate(data: Scored, rate: float) -> float:
    recalls = [0.0]
    for cut in set(data.score.tolist()):
        flagged = data.score >= cut
        if flagged[data.target == 0].mean() <= rate:
            recalls.append(flagged[data.target == 1].mean())
    return max(recalls)


def slow_saved(data: Scored, threshold: float) -> float:
    without = with_model = 0.0
    for bad, amount, score in zip(data.target, data.amount, data.score, strict=True):
        loss = COSTS["missed_fraud_share_of_amount"] * amount * bad
        without += loss
        if score >= threshold:
            with_model += COSTS["review"] + (0 if bad else COSTS["friction"])
        else:
            with_model += loss
    return without - with_model


def slow_figures(data: Scored, threshold: float) -> dict[str, float]:
    flagged = data.score >= threshold
    saved = slow_saved(data, threshold)
    bads, goods = (data.score[data.target == value] for value in (1, 0))
    return {
        "auc": (auc := roc_auc_score(data.target, data.score)),
        "gini": 2 * auc - 1,
        "ks": ks_2samp(bads, goods, method="asymp").statistic,
        "average_precision": average_precision_score(data.target, data.score),
        "recall_at_fpr_0.1": slow_recall_at_rate(data, 0.1),
        "card_precision_at_3": float(np.mean(slow_card_precision(data, 3))),
        "recall": flagged[data.target == 1].mean(),
        "precision": data.target[flagged].mean() if flagged.any() else np.nan,
        "flagged_share": flagged.mean(),
        "saved_cents": saved / len(flagged),
        "saved_share": saved / loss if (loss := data.amount[data.target == 1].sum()) else np.nan,
    }


@given(banks(), st.floats(0, 1))
def test_every_figure_is_that_of_the_slow_reference(data: Scored, threshold: float) -> None:
    table = detection_table(data, settings=SETTINGS, threshold=threshold, replicates=2)
    expected = slow_figures(data, threshold)
    assert list(table.index) == list(expected)
    assert table["value"].to_dict() == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def copied(data: Scored, counts: np.ndarray) -> Scored:
    """A bank in which card i stands `counts[i]` times, each copy a card of its own."""
    times = counts[data.card]
    rows = np.repeat(np.arange(len(data.card)), times)
    copy = np.concatenate([np.arange(n) for n in times])
    made = replace(data.only(rows), cards=1000 * data.cards)
    return replace(made, card=made.card * 1000 + copy)


@given(banks(), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_draw_of_cards_is_the_bank_with_copied_cards(
    data: Scored, threshold: float, seed: int
) -> None:
    counts = np.random.default_rng(seed).integers(0, 4, data.cards)
    assume(len(set(data.target[counts[data.card] > 0].tolist())) == 2)
    sample = copied(data, counts)
    measured = detection._measures(data, SETTINGS, threshold)(counts[None, :])
    found = {name: float(values[0]) for name, values in measured.items()}
    # a day on which no card was drawn still counts, as a day without a find
    days, left = len(set(data.day.tolist())), len(set(sample.day.tolist()))
    expected = slow_figures(sample, threshold)
    expected["card_precision_at_3"] *= left / days
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@given(banks())
def test_card_precision_by_day(data: Scored) -> None:
    table = card_precision_by_day(data, k=3, replicates=20)
    assert table["precision"].tolist() == pytest.approx(slow_card_precision(data, 3))
    assert (table["found"] <= np.minimum(table["fraudulent"], 3)).all()
    assert (table["precision"] <= table["possible"]).all()
    assert table["low"].le(table["precision"]).all() and table["high"].ge(table["precision"]).all()


def test_found_cards_leave_and_missed_ones_stay() -> None:
    rows = [(1, 0, 0.9, 1), (2, 0, 0.8, 1), (1, 1, 0.9, 1), (2, 1, 0.8, 1), (3, 1, 0.95, 0)]
    card, day, score, target = (np.array(column) for column in zip(*rows, strict=True))
    table = pd.DataFrame({"target": target, "keep__card": card, "keep__time": day * DAY})
    table = table.assign(keep__amount=100, keep__kind=None)
    data = scored_transactions(table, score=score, settings=SETTINGS)
    # day 0: card 1 found. Day 1: card 3 is called first and is genuine, then card 2.
    assert card_precision_by_day(data, k=1, replicates=2)["precision"].tolist() == [1, 0]
    assert card_precision_by_day(data, k=2, replicates=2)["precision"].tolist() == [1, 0]
    by_day = card_precision_by_day(data, k=1, replicates=2)
    assert by_day["fraudulent"].tolist() == [2, 1] and by_day["found"].tolist() == [1, 0]


@given(banks(), st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_the_threshold_keeps_the_false_positive_rate(data: Scored, rate: float) -> None:
    flagged = data.score >= threshold_at_rate(data, rate)
    assert flagged[data.target == 0].mean() <= rate
    assert flagged[data.target == 1].mean() == pytest.approx(slow_recall_at_rate(data, rate))


# money


@given(banks(), st.floats(0, 1))
def test_saved_money_is_what_the_losses_differ_by(data: Scored, threshold: float) -> None:
    saved = saved_cents(data, flagged=data.score >= threshold, costs=COSTS).sum()
    assert saved == pytest.approx(slow_saved(data, threshold))


@given(banks())
def test_no_rule_is_expected_to_save_more_than_the_one_that_knows_the_amount(data: Scored) -> None:
    """Expected savings under the stated probabilities: each transaction's own best decision."""
    fraud = replace(data, target=np.ones_like(data.target))
    genuine = replace(data, target=np.zeros_like(data.target))

    def expected(flagged: np.ndarray) -> float:
        of = [saved_cents(d, flagged=flagged, costs=COSTS) for d in (fraud, genuine)]
        return float((data.score * of[0] + (1 - data.score) * of[1]).sum())

    # flagging is worth the review where p * share * amount exceeds review + (1 - p) * friction
    best = expected(worth_flagging(data, costs=COSTS))
    for cut in (0, *np.unique(data.score), 2):
        assert expected(data.score >= cut) <= best + 1e-6


def test_the_money_curve_goes_through_the_threshold() -> None:
    data = bank_of(1, rows=400)
    curve = money_curve(data, costs=COSTS, points=11)
    row = curve.iloc[4]
    saved = slow_saved(data, row["threshold"]) / data.amount[data.target == 1].sum()
    assert row["saved_share"] == pytest.approx(saved)
    assert curve["flagged_share"].is_monotonic_decreasing


@pytest.mark.parametrize(
    "costs",
    [
        {**COSTS, "review": -1},
        {"review": 1, "friction": 1},
        {**COSTS, "fee": 1},
        {**COSTS, "review": float("nan")},
    ],
    ids=["negative", "missing", "unknown", "not a number"],
)
def test_a_cost_table_that_makes_no_sense_is_refused(costs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"detection\.costs is .*needs \['missed_fraud"):
        saved_cents(bank_of(1), flagged=np.ones(120, dtype=bool), costs=costs)


# intervals


@settings(max_examples=15)
@given(banks())
def test_intervals_hold_their_figure_and_repeat(data: Scored) -> None:
    options = {"settings": SETTINGS, "threshold": 0.4, "replicates": 60, "seed": 3}
    first, again = (detection_table(data, **options) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    there = first.dropna()
    assert (there["low"] <= there["value"]).all() and (there["value"] <= there["high"]).all()


def dependent(seed: int, cards: int = 60) -> Scored:
    """Each card has ten transactions of one score and one outcome: ten times the same evidence."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=cards)
    target = (rng.random(cards) < 1 / (1 + np.exp(1 - 1.5 * score))).astype(int)
    target[:2] = 0, 1
    table = pd.DataFrame(
        {"target": target, "keep__card": np.arange(cards), "keep__time": 0, "keep__amount": 1}
    )
    rows = table.loc[np.repeat(table.index, 10)].assign(keep__kind=None)
    return scored_transactions(rows, score=np.repeat(score, 10), settings=SETTINGS)


def test_intervals_cover_where_rows_depend_and_those_of_rows_do_not() -> None:
    true = detection_table(dependent(0, cards=40_000), settings=SETTINGS, threshold=9, replicates=2)
    hits = {"cards": 0, "rows": 0}
    for seed in range(1, 101):
        data = dependent(seed)
        options: dict[str, Any] = {"replicates": 150, "seed": seed}
        by_card = detection_table(data, settings=SETTINGS, threshold=9, **options).loc["auc"]
        by_row = discrimination_table(target=data.target, score=data.score, **options).loc["auc"]
        for name, found in (("cards", by_card), ("rows", by_row)):
            hits[name] += found["low"] <= true.loc["auc", "value"] <= found["high"]
    assert hits["cards"] >= 87
    assert hits["rows"] <= 60


def test_two_models_are_compared_on_the_same_draws() -> None:
    data = bank_of(2, rows=3000, cards=200)
    worse = replace(data, score=np.random.default_rng(1).random(3000))
    options: dict[str, Any] = {"settings": SETTINGS, "threshold": 0.4, "replicates": 200}
    single = [detection_table(of, **options) for of in (data, worse)]
    apart = detection_table(data, **options, minus=worse)
    difference = single[0]["value"] - single[1]["value"]
    assert apart["value"].to_dict() == pytest.approx(difference.to_dict())
    assert apart.loc["auc", "low"] > 0
    same = detection_table(data, **options, minus=data)
    assert (same.drop(index="precision") == 0).all(axis=None)


def test_a_figure_that_most_draws_do_not_define_has_no_interval() -> None:
    one = bank_of(4, rows=60, cards=40)
    few = replace(one, target=(np.arange(60) == 7).astype(int))
    table = detection_table(few, settings=SETTINGS, threshold=2, replicates=200)
    assert np.isnan(table.loc["precision", "value"])  # nothing was flagged
    assert table.loc["precision", ["low", "high"]].isna().all()
    assert table.loc["auc"].notna().all()


# probabilities and means


def test_calibration_is_that_of_the_rows_with_intervals_of_the_cards() -> None:
    data = bank_of(6, rows=2000, cards=150, digits=8)
    data = replace(data, score=np.clip(data.score, 0.01, 0.99))
    by_card = calibration_by_card(data, bins=8, replicates=200, seed=1)
    by_row = calibration_table(
        target=data.target, probability=data.score, bins=8, replicates=200, seed=1
    )
    assert by_card["value"].to_dict() == pytest.approx(by_row["value"].to_dict())
    assert (by_card["low"] <= by_card["value"]).all() and (
        by_card["value"] <= by_card["high"]
    ).all()
    # cards of this bank say nothing, so the two kinds of interval are about as wide
    widths = [table["high"] - table["low"] for table in (by_card, by_row)]
    assert (widths[0] / widths[1]).drop("ece").between(0.7, 1.4).all()


def test_ten_copies_of_the_evidence_are_no_more_evidence() -> None:
    data = dependent(3, cards=400)
    data = replace(data, score=1 / (1 + np.exp(1 - data.score)))
    once = data.only(np.arange(len(data.card)) % 10 == 0)
    for table_of_ten, table_of_one in (
        (calibration_by_card(of, replicates=100, seed=2) for of in (data, once)),
        (means_by_card(of, values={"p": of.score}, replicates=100, seed=2) for of in (data, once)),
    ):
        pd.testing.assert_frame_equal(table_of_ten, table_of_one)


@given(banks())
def test_means_by_card_are_means(data: Scored) -> None:
    values = {"amount": data.amount, "score": data.score}
    table = means_by_card(data, values=values, replicates=10)
    expected = {name: column.mean() for name, column in values.items()}
    assert table["value"].to_dict() == pytest.approx(expected)


# by scenario and over time


@given(banks(), st.floats(0, 1))
def test_recall_by_kind(data: Scored, threshold: float) -> None:
    table = recall_by_kind(data, threshold=threshold, replicates=10)
    for kind, row in table.iterrows():
        mine = (data.target == 1) & (data.kind == kind)
        assert row["frauds"] == mine.sum()
        assert row["cards"] == len(set(data.card[mine]))
        assert row["recall"] == pytest.approx((data.score[mine] >= threshold).mean())
        assert (row["cards"] < detection.FEWEST_CARDS) <= np.isnan(row["low"])
    assert table["frauds"].is_monotonic_decreasing


def test_a_fraud_without_a_kind_is_unknown() -> None:
    table = table_of(np.random.default_rng(1), 50, 5, 2).assign(keep__kind=None)
    data = scored_transactions(table, score=np.linspace(0, 1, 50), settings=SETTINGS)
    assert set(data.kind) == {"", "unknown"}
    assert recall_by_kind(data, threshold=0.5, replicates=5).index.tolist() == ["unknown"]


@given(banks(), st.sampled_from([1, 2, 7]))
def test_figures_over_time_are_those_of_the_periods(data: Scored, days: int) -> None:
    table = figures_over_time(data, settings=SETTINGS, threshold=0.4, days=days, replicates=5)
    assert table["rows"].sum() == len(data.target)
    first = pd.Timestamp("1970-01-01") + pd.Timedelta(days=int(data.day.min()))
    for start, row in table.iterrows():
        offset = (pd.Timestamp(str(start)) - first).days + int(data.day.min())
        part = data.only((data.day >= offset) & (data.day < offset + days))
        assert (row["rows"], row["frauds"]) == (len(part.target), part.target.sum())
        if 0 < part.target.sum() < len(part.target):
            expected = average_precision_score(part.target, part.score)
            assert row["average_precision"] == pytest.approx(expected)
        elif not part.target.any():
            assert np.isnan(row["average_precision"]) and np.isnan(row["recall"])


# what goes in


def test_cards_may_be_words_and_the_day_is_utc() -> None:
    table = table_of(np.random.default_rng(1), 4, 3, 1)
    table["keep__card"] = ["b", "a", "b", "c"]
    table["keep__time"] = [0, DAY - 1, DAY, 3 * DAY + 5]
    data = scored_transactions(table, score=[0.1, 0.2, 0.3, 0.4], settings=SETTINGS)
    assert data.card.tolist() == [1, 0, 1, 2] and data.cards == 3
    assert data.day.tolist() == [0, 0, 1, 3]


def wrong() -> Iterator[Any]:
    yield {"cards": "card"}, {}, r"reads \['card'\].*it has \['target', 'keep__card'"
    yield {"time": None}, {}, r"reads \[None\]"
    yield {}, {"keep__amount": -1}, "keep__amount holds -1; an amount is at least 0"
    yield {}, {"target": 0}, "target holds only 0"


@pytest.mark.parametrize(("changes", "columns", "message"), list(wrong()))
def test_what_is_missing_or_impossible_is_named(
    changes: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    table = table_of(np.random.default_rng(1), 50, 5, 2).assign(**columns)
    with pytest.raises(ValueError, match=message):
        scored_transactions(table, score=np.ones(50), settings={**SETTINGS, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "detection.k is 0; give the cards called in a day"),
        ({"k": None}, "detection.k is None"),
        ({"false_positive_rate": 1.5}, "false_positive_rate is 1.5; allowed is 0 to 1"),
    ],
)
def test_what_is_asked_must_make_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detection_table(bank_of(1), settings={**SETTINGS, **changes}, threshold=0.5)


def test_each_transaction_has_one_score() -> None:
    table = table_of(np.random.default_rng(1), 50, 5, 2)
    with pytest.raises(ValueError, match="49 scores for 50 transactions"):
        scored_transactions(table, score=np.ones(49), settings=SETTINGS)
