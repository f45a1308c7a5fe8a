"""The profile of a whole table: the file's notation, and each column described under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from fin_kedro.drafting.profile import (
    ISO,
    LEVELS,
    NOTATIONS,
    Profile,
    Readings,
    personal_kind,
    profile_column,
    readings,
)
from fin_kedro.drafting.raw import Raw

PERSONAL_SAMPLE = 300  # cells that an e-mail address or an IBAN is told from
KEPT = 20_000  # distinct cells of a column that are kept for its second look


@dataclass(frozen=True)
class Notation:
    """How a CSV file writes numbers, days and missing values."""

    decimal: str = "."
    thousands: str = ""
    day: str = ISO
    moment: str = ISO
    day_or_month: bool = False  # the days of the file would also be read the other way round
    words: tuple[str, ...] = ()

    @property
    def load_args(self) -> dict[str, Any]:
        """What an entry of the catalog states of it; nothing where it is the usual."""
        stated = {
            "decimal_separator": self.decimal if self.decimal != "." else "",
            "thousands": self.thousands,
            "dateformat": self.day,
            "timestampformat": self.moment,
            "nullstr": ["", *self.words] if self.words else "",
        }
        return {name: value for name, value in stated.items() if value}


@dataclass(frozen=True)
class TableProfile:
    """A table that was looked at.

    ``personal`` names columns whose cells are personal data, with the kind; ``left_out`` those of
    a type that no contract has; ``odd`` those that are written unlike the rest of the file.
    """

    rows: int
    columns: Mapping[str, Profile]
    notation: Notation = field(default_factory=Notation)
    personal: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)


def profile_table(raw: Raw) -> TableProfile:
    """Look at every column of a table, one after the other."""
    return _of_texts(raw.table) if raw.form is not None else _of_types(raw.table)


def _counted(table: ir.Table, name: str) -> pd.Series:
    """Rows by distinct value; a missing value is one of them."""
    found = table.group_by(value=table[name]).agg(rows=ibis._.count()).order_by("value").execute()
    return pd.Series(found["rows"].to_numpy(), index=pd.Index(found["value"]))


def _parted(counted: pd.Series, missing: pd.Series | Any) -> tuple[pd.Series, int]:
    return counted[~missing], int(counted[missing].sum())


def _of_texts(table: ir.Table) -> TableProfile:
    """Two looks at each column: what it may be read as, and what it is in the file's notation."""
    found: dict[str, Readings] = {}
    personal: dict[str, str] = {}
    kept_counts: dict[str, pd.Series] = {}
    for name in table.columns:
        counted = _counted(table, name)
        if len(counted) <= KEPT:
            kept_counts[name] = counted
        cells = counted.index.dropna()
        found[name] = readings(cells)
        if kind := personal_kind(cells[:PERSONAL_SAMPLE]):
            personal[name] = kind
    notation = _notation(found.values())
    columns, odd = {}, {}
    for name, reading in found.items():
        type_ = _type(reading, notation)
        if type_ == "string" and (reading.numbers or reading.days or reading.moments):
            odd[name] = "its numbers or days are written unlike those of other columns"
        counted = kept_counts[name] if name in kept_counts else _counted(table, name)
        blank = counted.index.isna() | (counted.index == "")
        lost = blank | counted.index.isin(notation.words)
        kept, missing = _parted(counted, lost)
        kept = _typed(kept, type_, notation)
        kept, more = _parted(kept, kept.index.isna())
        columns[name] = profile_column(name, type_, kept.index, kept.to_numpy(), missing + more)
    rows = int(table.count().execute())
    return TableProfile(rows, columns, notation, personal, {}, odd)


def _notation(found: Iterable[Readings]) -> Notation:
    """The notation that reads the most columns; of equals the usual one."""
    found = list(found)
    decimal, thousands = _most(NOTATIONS, (r.numbers for r in found))
    days = Counter(f for r in found for f in r.days)
    day = _most(list(dict.fromkeys([ISO, *days])), (r.days for r in found))
    moment = _most(
        list(dict.fromkeys([ISO, *(f for r in found for f in r.moments)])),
        (r.moments for r in found),
    )
    turned = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y"}.get(day, "")
    notation = Notation(decimal, thousands, day, moment, bool(turned) and days[turned] == days[day])
    words = {w for r in found if r.words and _type(r, notation) != "string" for w in r.words}
    return Notation(decimal, thousands, day, moment, notation.day_or_month, tuple(sorted(words)))


def _most(choices: Iterable[Any], of_columns: Iterable[tuple[Any, ...]]) -> Any:
    counted = Counter(choice for column in of_columns for choice in column)
    return max(choices, key=lambda choice: counted[choice])  # the first of equals


def _type(reading: Readings, notation: Notation) -> str:
    number = (notation.decimal, notation.thousands)
    ways = (
        ("boolean", reading.boolean),
        ("date", notation.day in reading.days),
        ("timestamp", notation.moment in reading.moments),
        ("integer", number in reading.integers),
        ("number", number in reading.numbers),
    )
    return next((type_ for type_, fits in ways if fits), "string")


def _typed(counted: pd.Series, type_: str, notation: Notation) -> pd.Series:
    """Rows by value of the type; two texts may be one value."""
    if type_ == "string":
        return counted
    cells = pd.Series(counted.index, dtype="str").str.strip()
    if type_ == "boolean":
        values: Any = cells.str.casefold().isin(["true", "t", "yes", "y", "1"]).astype(bool)
    elif type_ in ("date", "timestamp"):
        stated = notation.day if type_ == "date" else notation.moment
        values = (
            pd.to_datetime(cells, format=stated, errors="coerce")
            if stated
            else pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(
                None
            )
        )
    else:
        plain = cells.str.replace(notation.thousands, "", regex=False)
        plain = plain.str.replace(notation.decimal, ".", regex=False)
        plain = plain.mask(plain == "")  # a blank cell
        whole = type_ == "integer"
        plain = plain.str.replace(r"\.0+$", "", regex=True) if whole else plain
        values = plain.astype("Int64" if whole else "float64")
    summed = pd.Series(counted.to_numpy()).groupby(values.to_numpy(), dropna=False).sum()
    return summed


def _of_types(table: ir.Table) -> TableProfile:
    columns, left_out, personal, odd = {}, {}, {}, {}
    for name, kind in table.schema().items():
        type_ = _contract_type(kind)
        if type_ is None:
            left_out[name] = str(kind)
            continue
        counted = _counted(table, name)
        blank: Any = counted.index.isna()
        if type_ == "string":
            blank = blank | (counted.index == "")
        kept, missing = _parted(counted, blank)
        if type_ in ("date", "timestamp"):
            kept.index = _without_zone(kept.index)
            midnight = (kept.index == kept.index.normalize()).all()
            type_ = "date" if midnight else "timestamp"
        elif type_ == "number":
            kept.index = kept.index.astype("float64")
            if missing and len(kept) and (kept.index % 1 == 0).all():
                type_ = "integer"  # pandas writes whole numbers with gaps as fractions
        if type_ == "string":
            if what := personal_kind(kept.index[:PERSONAL_SAMPLE]):
                personal[name] = what
            if told := _written_as_text(kept.index):
                odd[name] = told
        columns[name] = profile_column(name, type_, kept.index, kept.to_numpy(), missing)
    rows = int(table.count().execute())
    return TableProfile(rows, columns, Notation(), personal, left_out, odd)


def _written_as_text(texts: Any) -> str | None:
    """Days, or many numbers, that a file with types keeps as texts; few numbers are codes."""
    reading = readings(texts)
    if reading.days or reading.moments:
        return "its days are written as texts; a file with types should have days"
    if reading.numbers and len(texts) > LEVELS:
        return "its numbers are written as texts; a file with types should have numbers"
    return None


def _contract_type(kind: Any) -> str | None:
    ways = (
        ("boolean", kind.is_boolean()),
        ("integer", kind.is_integer()),
        ("number", kind.is_floating() or kind.is_decimal()),
        ("string", kind.is_string()),
        ("date", kind.is_date()),
        ("timestamp", kind.is_timestamp()),
    )
    return next((type_ for type_, fits in ways if fits), None)


def _without_zone(index: Any) -> pd.DatetimeIndex:
    found = pd.to_datetime(index)
    return found if found.tz is None else found.tz_convert("UTC").tz_localize(None)
