from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.data_quality import (
    bad_rate_spread,
    column_quality,
    duplicate_ids,
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
