"""Parquet: how it was written changes no hash, a changed table always does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fin_kedro.storage.canonical import content_hash, parquet_form

from .written import parquet

TABLE = pd.DataFrame(
    {
        "id": range(500),
        "amount": np.linspace(0, 1, 500),
        "name": [None if i % 7 == 0 else f"n{i}" for i in range(500)],
        "paid": [i % 3 == 0 for i in range(500)],
        "at": pd.date_range("2026-01-01", periods=500, freq="h"),
        "few": [None if i % 5 == 0 else float(i) for i in range(500)],
        "tags": [[i, i + 1] for i in range(500)],
    }
)


@pytest.mark.parametrize(
    "how",
    [
        {"row_group_size": 37},
        {"compression": "zstd"},
        {"use_dictionary": False},
        {"version": "1.0", "store_schema": False, "row_group_size": 100},
        {"write_statistics": False, "data_page_size": 100},
    ],
    ids=str,
)
def test_how_parquet_is_written_does_not_count(how: dict[str, Any]) -> None:
    table = pa.Table.from_pandas(TABLE.drop(columns="at"))
    assert content_hash(parquet(table, **how), ".parquet") == content_hash(
        parquet(table), ".parquet"
    )


def test_metadata_and_wide_or_dictionary_texts_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = pa.Table.from_pandas(TABLE)
    one = content_hash(parquet(table), ".parquet")
    plain = table.replace_schema_metadata({})
    wide = plain.set_column(2, "name", plain["name"].cast(pa.large_string()))
    coded = plain.set_column(2, "name", plain["name"].cast(pa.string()).dictionary_encode())
    assert {content_hash(parquet(t), ".parquet") for t in (plain, wide, coded)} == {one}
    monkeypatch.setattr(parquet_form, "BATCH", 13)
    assert content_hash(parquet(table), ".parquet") == one


def other(column: str, row: int, value: Any) -> pd.DataFrame:
    table = TABLE.copy()
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    "changed",
    [
        other("amount", 250, np.nextafter(TABLE.amount[250], 2)),
        other("name", 1, "n2"),
        other("name", 7, ""),
        other("few", 0, 0.0),
        other("paid", 0, False),
        other("at", 3, pd.Timestamp("2026-01-01")),
        TABLE[::-1],
        TABLE[:-1],
        TABLE.rename(columns={"id": "ID"}),
        TABLE.astype({"id": "int32"}),
        TABLE[["amount", "id", *TABLE.columns[2:]]],
    ],
    ids=["last bit", "text", "empty for missing", "0 for missing", "flag", "time", "order",
         "a row less", "a name", "a type", "order of columns"],
)  # fmt: skip
def test_a_change_of_a_table_counts(changed: pd.DataFrame) -> None:
    one, two = (
        content_hash(parquet(pa.Table.from_pandas(t, preserve_index=False)), ".parquet")
        for t in (TABLE, changed)
    )
    assert one != two


def test_texts_that_run_into_each_other_differ() -> None:
    one, two = (parquet(pa.table({"a": values})) for values in (["ab", "c"], ["a", "bc"]))
    assert content_hash(one, ".parquet") != content_hash(two, ".parquet")


def test_where_a_value_is_missing_counts() -> None:
    one, other = (pa.table({"a": pa.array(a, pa.float64())}) for a in ([None, 1.0], [1.0, None]))
    assert content_hash(parquet(one), ".parquet") != content_hash(parquet(other), ".parquet")
