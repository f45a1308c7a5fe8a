"""Calibration and means are those of the rows, with the intervals of cards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from fin_kedro.checks.calibration import calibration_table
from fin_kedro.checks.card_calibration import calibration_by_card, means_by_card
from fin_kedro.checks.cards import Scored
from tests.checks.banks import bank_of, banks, dependent


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
