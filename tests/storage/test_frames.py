"""Frames of tables: values and kinds as Ibis makes them, in the same order, free to be changed."""

from __future__ import annotations

from datetime import date, datetime

import ibis
import numpy as np
import pandas as pd
import pytest

from fin_kedro.storage import frames
from fin_kedro.storage.frames import to_frame


def table(rows: int) -> pd.DataFrame:
    """Every kind of column that a model table may have, with and without missing values."""
    number = np.arange(rows)
    gap = number % 3 == 1
    return pd.DataFrame(
        {
            "id": number.astype(str),
            "word": np.where(gap, None, "a"),
            "small": (number % 2).astype("int8"),
            "whole": number * 2**40,
            "gap": pd.array(np.where(gap, 0, number), dtype="Int64"),
            "ratio": np.where(gap, np.nan, number / 7),
            "yes": number % 2 == 0,
            "moment": [datetime(2020, 1, 1, 5)] * rows,
            "day": [date(2020, 1, 1)] * rows,
        }
    ).assign(gap=lambda t: t["gap"].mask(gap))


@pytest.mark.parametrize("rows", [0, 1, 50, 500])
def test_a_frame_is_what_ibis_makes_of_it(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "BATCH", 100)  # more than one batch, in little
    rows_of = ibis.memtable(table(max(rows, 1))).limit(rows)
    found, expected = to_frame(rows_of), rows_of.execute()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    kinds = [[t.kind for t in frame.dtypes] for frame in (found, expected)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("rows", [50, 50_001])
def test_a_frame_may_be_changed(rows: int) -> None:
    found = to_frame(ibis.memtable(table(rows)))
    for name in ("small", "whole", "ratio"):
        found.loc[3, name] = 1
        assert found.loc[3, name] == 1


def test_rows_stay_in_the_order_of_the_table() -> None:
    numbers = np.random.default_rng(1).permutation(120_000)
    found = to_frame(ibis.memtable(pd.DataFrame({"n": numbers})))
    assert (found["n"].to_numpy() == numbers).all()
