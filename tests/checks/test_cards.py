"""What transactions of cards are made of, and what is missing or impossible is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fin_kedro.checks.cards import DAY, scored_transactions
from fin_kedro.checks.detection_parts import recall_by_kind
from tests.checks.banks import SETTINGS, table_of


def test_a_fraud_without_a_kind_is_unknown() -> None:
    table = table_of(np.random.default_rng(1), 50, 5, 2).assign(keep__kind=None)
    data = scored_transactions(table, score=np.linspace(0, 1, 50), settings=SETTINGS)
    assert set(data.kind) == {"", "unknown"}
    assert recall_by_kind(data, threshold=0.5, replicates=5).index.tolist() == ["unknown"]


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


def test_each_transaction_has_one_score() -> None:
    table = table_of(np.random.default_rng(1), 50, 5, 2)
    with pytest.raises(ValueError, match="49 scores for 50 transactions"):
        scored_transactions(table, score=np.ones(49), settings=SETTINGS)
