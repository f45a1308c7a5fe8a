"""Two versions of a table: rows, columns, cells, distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.changes import table_difference
from fin_kedro.changes.table_difference import TableChange, compare_tables


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def compared(folder: Path, before: pd.DataFrame, after: pd.DataFrame) -> TableChange:
    paths = folder / "before.parquet", folder / "after.parquet"
    for path, frame in zip(paths, (before, after), strict=True):
        frame.to_parquet(path)
    return compare_tables(*paths)


def test_cells_are_counted_by_the_column_that_names_rows(tmp_path: Path) -> None:
    before = table(entity_id=["a", "b", "c"], x=[1.0, 2.0, np.nan], kind=["u", "v", None])
    after = table(entity_id=["c", "b", "d"], x=[np.nan, 2.5, 9.0], kind=[None, "w", "u"])
    found = compared(tmp_path, before, after)
    assert (found.paired_by, found.only_before, found.only_after) == ("entity_id", 1, 1)
    assert found.reordered
    assert found.cells == 2
    assert {c.name: (c.cells, c.largest) for c in found.columns} == {
        "x": (1, 0.5),
        "kind": (1, None),
    }


def test_columns_added_removed_and_of_another_type(tmp_path: Path) -> None:
    found = compared(tmp_path, table(a=[1, 2], b=[1, 2]), table(b=[1.0, 2.0], c=[1, 2]))
    assert (found.added, found.removed) == (("c",), ("a",))
    assert found.retyped == (("b", "int64", "float64"),)
    assert found.cells == 0, "1 and 1.0 are one value"


def test_without_a_name_rows_are_paired_by_position_or_not_at_all(tmp_path: Path) -> None:
    assert compared(tmp_path, table(x=[1, 2]), table(x=[1, 3])).paired_by == "position"
    longer = compared(tmp_path, table(x=[1, 2]), table(x=[1, 3, 5]))
    assert longer.paired_by is None
    assert longer.cells is None
    assert longer.columns[0].before["mean"] == 1.5
    assert longer.columns[0].after["mean"] == 3.0


@pytest.mark.parametrize("ids", [["a", "a"], ["a", None]])
def test_a_column_with_doubles_or_gaps_names_no_rows(tmp_path: Path, ids: list[str]) -> None:
    found = compared(tmp_path, table(id=ids, x=[1, 2]), table(id=ids, x=[1, 2]))
    assert found.paired_by == "position"


def test_shares_of_values_and_of_missing_ones_are_summed_up(tmp_path: Path) -> None:
    before = table(kind=["u", "u", "v", None], on=[True, False, True, True])
    after = table(kind=["u", "v", "v", "v"], on=[True, True, True, True])
    kind, on = compared(tmp_path, before, after).columns
    assert (kind.before["missing"], kind.after["missing"]) == (0.25, 0.0)
    assert (kind.before["v"], kind.after["v"]) == (pytest.approx(1 / 3), 0.75)
    assert (on.name, on.cells) == ("on", 1)


def test_a_csv_file_is_read_too(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text(f"id,x\nk,{value}\n")
    assert compare_tables(tmp_path / "a.csv", tmp_path / "b.csv").cells == 1


def test_a_very_long_table_is_summed_up_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_difference, "MOST_ROWS", 2)
    found = compared(tmp_path, table(id=[1, 2, 3]), table(id=[1, 2, 4]))
    assert found.cells is None
    assert "more than 2 rows" in found.note
    assert found.columns[0].after["largest"] == 4


CELLS = st.one_of(st.none(), st.integers(-3, 3).map(float), st.just(float("inf")))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_cells_that_differ_are_those_that_differ_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[float | None, float | None]]
) -> None:
    old, new = (pd.array([p[side] for p in pairs], dtype="float64[pyarrow]") for side in (0, 1))
    found = compared(tmp_path_factory.mktemp("t"), table(x=old), table(x=new))
    assert found.cells == sum(a != b for a, b in pairs)
