"""Card precision against a slow reference: found cards leave, missed ones stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from fin_kedro.checks.card_precision import card_precision_by_day
from fin_kedro.checks.cards import DAY, Scored, scored_transactions
from tests.checks.banks import SETTINGS, banks, slow_card_precision


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
