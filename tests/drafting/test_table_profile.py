"""A file has one notation; a column that is written unlike it is set aside, and asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting.guess import Draft
from fin_kedro.drafting.guesses import guess_table, with_leaks
from fin_kedro.drafting.raw import open_raw
from fin_kedro.drafting.table_profile import profile_table


def drafted(table: pd.DataFrame, folder: Path, kind: str = "csv") -> Draft:
    path = folder / f"x.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return guess_table(profile_table(open_raw(str(path), folder)))


def base(rows: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": range(1, rows + 1), "x": np.arange(rows) + 0.5, "bad": [0, 1] * (rows // 2)}
    )


def test_the_notation_of_most_columns_is_the_files(tmp_path: Path) -> None:
    table = base().assign(
        day=pd.date_range("2025-01-01", periods=60).strftime("%d.%m.%Y"),
        end_day=pd.date_range("2026-01-01", periods=60).strftime("%d.%m.%Y"),
        iso=pd.date_range("2025-01-01", periods=60).strftime("%Y-%m-%d"),
        comma=[f"{n},5" for n in range(60)],
    )
    draft = drafted(table, tmp_path)
    assert draft.table.notation.load_args == {"dateformat": "%d.%m.%Y"}
    assert draft.columns["day"].role == "time"
    for name in ("iso", "comma"):
        guess = draft.columns[name]
        assert (guess.role, guess.profile.type) == ("ignored", "string")
        assert "unlike those of other columns" in guess.reason and guess.questions


@pytest.mark.parametrize(("first", "asked"), [("2025-01-01", True), ("2025-01-20", False)])
def test_day_or_month_is_asked_only_where_both_could_be(
    tmp_path: Path, first: str, asked: bool
) -> None:
    days = pd.to_datetime([first] * 30 + ["2025-03-04"] * 30).strftime("%d/%m/%Y")
    draft = drafted(base().assign(day=days), tmp_path)
    assert draft.table.notation.day == "%d/%m/%Y"
    assert draft.table.notation.day_or_month is asked


def test_days_and_numbers_kept_as_texts_in_parquet_are_asked_about(tmp_path: Path) -> None:
    table = base().assign(
        day=pd.date_range("2025-01-01", periods=60).strftime("%Y-%m-%d"),
        amount=[str(n * 1.5) for n in range(60)],
        code=["1", "2", "3"] * 20,
        listed=[[1, 2]] * 60,
    )
    draft = drafted(table, tmp_path, "parquet")
    assert {n: draft.columns[n].role for n in ("day", "amount", "code")} == {
        "day": "ignored",
        "amount": "ignored",
        "code": "feature",
    }
    assert list(draft.table.left_out) == ["listed"]


def test_a_word_for_missing_is_stated_for_the_file_and_counts_in_texts_too(tmp_path: Path) -> None:
    table = base().assign(income=["NA", *map(str, range(59))], land=["NA", "DE", "FR"] * 20)
    draft = drafted(table, tmp_path)
    assert draft.table.notation.load_args == {"nullstr": ["", "NA"]}
    assert (draft.columns["income"].profile.type, draft.columns["income"].required) == (
        "integer",
        False,
    )
    assert not draft.columns["land"].required and draft.columns["land"].levels == ("DE", "FR")


def test_leaks_leave_the_features_and_something_must_be_left(tmp_path: Path) -> None:
    draft = drafted(base().assign(y=range(60)), tmp_path)
    found = with_leaks(draft, {"x": 0.951, "y": 0.95}, 0.95)
    assert [g.name for g in found.by_role("feature")] == ["y"]
    with pytest.raises(ContractError, match="every column that could be a feature"):
        with_leaks(draft, {"x": 0.99, "y": 0.99}, 0.95)


def test_without_two_values_anywhere_the_outcome_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="--target COLUMN"):
        drafted(base().drop(columns="bad"), tmp_path)
