from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.data_quality import (
    bad_rate_spread,
    column_quality,
    duplicate_ids,
    newest_age,
    quarantined_share,
    target_by_part,
)


def test_columns() -> None:
    table = column_quality(pd.DataFrame({"a": [1, 1], "b": [None, 2.0], "c": [None, None]}))
    assert table.index.tolist() == ["c", "b", "a"]
    assert table["constant"].to_dict() == {"c": True, "b": True, "a": True}
    assert table["missing_share"].tolist() == [1, 0.5, 0]


def test_empty_table() -> None:
    with pytest.raises(ValueError, match="table is empty"):
        column_quality(pd.DataFrame({"a": []}))


@given(st.lists(st.integers(0, 20)))
def test_duplicates(ids: list[int]) -> None:
    assert duplicate_ids(ids) == len(ids) - len(set(ids))


def test_share_of_quarantine() -> None:
    assert quarantined_share({"rows": 10, "accepted": 9, "quarantined": 1}) == 0.1
    with pytest.raises(ValueError, match="lacks 'quarantined'"):
        quarantined_share({"rows": 10, "accepted": 9})
    with pytest.raises(ValueError, match="must add up"):
        quarantined_share({"rows": 10, "accepted": 9, "quarantined": 2})
    with pytest.raises(ValueError, match="must add up"):
        quarantined_share({"rows": 0, "accepted": 0, "quarantined": 0})


def test_parts_in_order() -> None:
    table = target_by_part(
        target=[0, 1, 1, 0, 1], part=["test", "train", "other", "out_of_time", "test"]
    )
    assert table.index.tolist() == ["train", "test", "out_of_time", "other"]
    assert bad_rate_spread(table) == 1
    assert np.isclose(table.loc["test", "bad_rate"], 0.5)


DAYS = st.dates(dt.date(1950, 1, 1), dt.date(2090, 1, 1))


@given(st.lists(DAYS, min_size=1), DAYS, st.sampled_from(["text", "date", "utc", "us"]))
def test_the_newest_age_is_what_the_calendar_says(
    days: list[dt.date], as_of: dt.date, form: str
) -> None:
    noon = [dt.datetime(d.year, d.month, d.day, 12, tzinfo=dt.UTC) for d in days]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    forms = {
        "text": [d.isoformat() for d in days],
        "date": days,
        "utc": noon,
        "us": [int((moment - epoch) // dt.timedelta(microseconds=1)) for moment in noon],
    }
    found = newest_age(forms[form], as_of=as_of.isoformat())
    assert found == (as_of - max(days)).days


def test_without_a_time_or_a_day_there_is_no_age() -> None:
    with pytest.raises(ValueError, match="no row has a time"):
        newest_age([None, None], as_of="2026-11-30")
    with pytest.raises(ValueError, match="yesterdy"):
        newest_age(["2026-11-30"], as_of="yesterdy")
