"""What differs between two versions of a table: rows, columns, cells, distributions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".parquet", ".csv")
MOST_ROWS = 3_000_000
# A column's name says that it names rows; the first that does so in both tables is taken.
KEYS = ("entity_id", "id", "key")


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """One column that differs.

    `cells`: how many of the rows that both tables have; None where rows could not be paired.
    `largest`: largest difference of two numbers. `before`, `after`: a summary (mean, deviation,
    least, median, largest; or the commonest values with their share), missing share first.
    """

    name: str
    kind: str
    cells: int | None
    largest: float | None
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class TableChange:
    """What differs between two versions of a table.

    `paired_by`: the column that rows were paired by, ``position``, or None when they were not.
    `only_before`, `only_after`: rows without a partner. `reordered`: same rows in another order.
    """

    rows: tuple[int, int]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    paired_by: str | None
    only_before: int
    only_after: int
    reordered: bool
    columns: tuple[ColumnChange, ...]
    note: str = ""

    @property
    def cells(self) -> int | None:
        """Cells that differ among the rows and columns that both have."""
        counts = [c.cells for c in self.columns if c.cells is not None]
        return sum(counts) if self.paired_by else None


def compare_tables(before: Path, after: Path) -> TableChange:
    """Compare two Parquet or CSV files (or folders of Parquet files)."""
    first, second = read_table(before), read_table(after)
    common = [name for name in first.columns if name in second.columns]
    kinds = [(n, str(first[n].dtype), str(second[n].dtype)) for n in common]
    facts: dict[str, Any] = {
        "rows": (len(first), len(second)),
        "added": tuple(n for n in second.columns if n not in first.columns),
        "removed": tuple(n for n in first.columns if n not in second.columns),
        "retyped": tuple(kind for kind in kinds if kind[1] != kind[2]),
    }
    if max(facts["rows"]) > MOST_ROWS:
        note = f"more than {MOST_ROWS:,} rows: summarised, cells are not compared"
        columns = tuple(_summaries(first, second, common))
        unpaired: dict[str, Any] = {"paired_by": None, "only_before": 0, "only_after": 0}
        return TableChange(**facts, **unpaired, reordered=False, columns=columns, note=note)
    paired = _pair(first, second, common)
    return TableChange(**facts, **paired.facts, columns=tuple(_columns(first, second, paired)))


def read_table(path: Path) -> pd.DataFrame:
    """A table as a frame; texts stay as the file has them."""
    import pandas as pd

    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path)


@dataclass(frozen=True)
class _Paired:
    facts: dict[str, Any]
    common: list[str]
    first: Any  # positions of the paired rows in each table; None: not paired
    second: Any


def _pair(first: pd.DataFrame, second: pd.DataFrame, common: list[str]) -> _Paired:
    """Pair rows by a column that names them in both, else by position where that can be."""
    import numpy as np
    import pandas as pd

    key = next((name for name in _candidates(common) if _names_rows(first, second, name)), None)
    if key is None:
        same = len(first) == len(second)
        where = np.arange(len(first)) if same else None
        facts = {"paired_by": "position" if same else None, "only_before": 0, "only_after": 0}
        return _Paired({**facts, "reordered": False}, common, where, where)
    places = pd.Index(second[key]).get_indexer(first[key])
    there = places >= 0
    facts = {
        "paired_by": key,
        "only_before": int((~there).sum()),
        "only_after": len(second) - int(there.sum()),
        "reordered": bool((np.diff(places[there]) < 0).any()),
    }
    return _Paired(facts, [n for n in common if n != key], np.flatnonzero(there), places[there])


def _candidates(common: list[str]) -> list[str]:
    """Columns that may name rows, by their names."""
    likely = [n for n in common if n.lower() in KEYS or n.lower().endswith(("_id", "id"))]
    return sorted(likely, key=lambda name: KEYS.index(name.lower()) if name.lower() in KEYS else 9)


def _names_rows(first: pd.DataFrame, second: pd.DataFrame, name: str) -> bool:
    same_kind = first[name].dtype == second[name].dtype
    return same_kind and all(t[name].is_unique and t[name].notna().all() for t in (first, second))


def _columns(first: pd.DataFrame, second: pd.DataFrame, paired: _Paired) -> Iterator[ColumnChange]:
    """Columns with cells that differ, those with most first."""
    if paired.first is None:
        yield from _summaries(first, second, paired.common)
        return
    found = []
    for name in paired.common:
        old, new = first[name].iloc[paired.first], second[name].iloc[paired.second]
        cells, largest = _cells(old, new)
        if cells:
            found.append(_column(first[name], second[name], cells, largest))
    whole = paired.facts["only_before"] + paired.facts["only_after"]
    listed = {column.name for column in found}
    rest = [name for name in paired.common if name not in listed] if whole else []
    yield from sorted(found, key=lambda column: -(column.cells or 0))
    yield from _summaries(first, second, rest)


def _summaries(
    first: pd.DataFrame, second: pd.DataFrame, names: list[str]
) -> Iterator[ColumnChange]:
    """Columns whose summary differs, without a word about cells."""
    for name in names:
        column = _column(first[name], second[name], None, None)
        if column.before != column.after:
            yield column


def _cells(old: pd.Series, new: pd.Series) -> tuple[int, float | None]:
    """How many cells differ (two missing ones do not), and by how much numbers do at most."""
    import numpy as np

    before, after = old.reset_index(drop=True), new.reset_index(drop=True)
    if _is_number(before) and _is_number(after):
        a, b = before.to_numpy(float, na_value=np.nan), after.to_numpy(float, na_value=np.nan)
        differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        with np.errstate(invalid="ignore"):  # two infinite numbers
            gaps = np.abs(a[differ] - b[differ])
        largest = float(np.nanmax(gaps)) if np.isfinite(gaps).any() else None
        return int(differ.sum()), largest
    x, y = before.astype(object), after.astype(object)
    same = (x == y).fillna(False).astype(bool) | (x.isna() & y.isna())
    return int((~same).sum()), None


def _column(
    before: pd.Series, after: pd.Series, cells: int | None, largest: float | None
) -> ColumnChange:
    number = _is_number(before) and _is_number(after)
    summary = _summary_of_numbers if number else _summary_of_values
    kept = [] if number else _common_values(before, after)
    return ColumnChange(
        name=str(before.name),
        kind="number" if number else "values",
        cells=cells,
        largest=largest,
        before=summary(before, kept),
        after=summary(after, kept),
    )


def _is_number(column: pd.Series) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)


def _summary_of_numbers(column: pd.Series, _: list[Any]) -> dict[str, float]:
    import numpy as np

    there = column.dropna().astype(float)
    with np.errstate(invalid="ignore"):  # infinite numbers have no deviation
        deviation = there.std(ddof=0)
    figures = {
        "mean": there.mean(),
        "deviation": deviation,
        "least": there.min(),
        "median": there.median(),
        "largest": there.max(),
    }
    found = {name: float(value) for name, value in figures.items()} if len(there) else {}
    return {"missing": float(column.isna().mean()) if len(column) else 0.0, **found}


def _common_values(before: pd.Series, after: pd.Series, most: int = 6) -> list[Any]:
    """The values whose shares moved most, as text."""
    shares = [c.dropna().astype(str).value_counts(normalize=True) for c in (before, after)]
    moved = shares[1].sub(shares[0], fill_value=0).abs()
    order = sorted(moved.index, key=lambda value: (-moved[value], value))
    return order[:most]


def _summary_of_values(column: pd.Series, kept: list[Any]) -> dict[str, float]:
    shares = column.dropna().astype(str).value_counts(normalize=True)
    missing = float(column.isna().mean()) if len(column) else 0.0
    found = {str(value): float(shares.get(value, 0.0)) for value in kept}
    return {"missing": missing, "different values": float(len(shares)), **found}
