"""Scored transactions for tests, and detection figures by slow references: one rule a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import average_precision_score, roc_auc_score

from fin_kedro.checks.cards import DAY, Scored, scored_transactions

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
