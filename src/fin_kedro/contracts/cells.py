"""Cells of a CSV file as the contract's types: every text is read in one stated way, or named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from fin_kedro.contracts.column import Column
from fin_kedro.contracts.model import Contract

TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_ISO = {
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?$",
}
# An id that a 64-bit integer holds digit by digit.
_PLAIN_ID = r"^(0|-?[1-9]\d{0,17})$"


class CellError(ValueError):
    """Cells that are no value of their column's type: ``found`` has column, number, one of them."""

    def __init__(self, found: list[tuple[Column, int, str]]) -> None:
        self.found = found
        super().__init__("; ".join(self._told(*one) for one in found))

    @staticmethod
    def _told(column: Column, cells: int, example: str) -> str:
        many = f"{cells} cells are" if cells > 1 else "1 cell is"
        return (
            f"column {column.name}: {many} not readable, e.g. {example!r}; "
            f"allowed: {column.type}. Next: {hint(column, example)}"
        )


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How a file writes numbers and days; the names are those of DuckDB's reader.

    ``dateformat`` and ``timestampformat`` are strptime's (``%d.%m.%Y``); None: ISO 8601 only.
    """

    decimal_separator: str = "."
    thousands: str = ""
    dateformat: str | None = None
    timestampformat: str | None = None

    @classmethod
    def of(cls, load_args: Mapping[str, Any]) -> Notation:
        """The notation that an entry of the catalog states among its ``load_args``."""
        return cls(**{k: v for k, v in load_args.items() if k in cls.__dataclass_fields__})


def read_cells(contract: Contract, table: ir.Table, notation: Notation) -> ir.Table:
    """Return a table of texts with the contract's columns in the contract's types.

    Columns that the contract does not know stay texts, and so does an integer id of which any is
    longer than 64 bits or begins with a zero: digit by digit, as the file has it.

    Raises:
        CellError: a cell is no value of its column's type; names column, number of cells, one of
            them, and the way out.
    """
    known = [c for c in contract.columns.values() if c.name in table.columns]
    ids = [c for c in known if c.type == "integer" and c.role == "id"]
    others = [c for c in known if c.type != "string" and c not in ids]
    read = {c.name: _READ[c.type](_given(table[c.name]), notation) for c in others}
    found = _counted(table, others, ids, read)
    lost = [(c, int(found[f"n{i}"]), str(found[f"e{i}"])) for i, c in enumerate(others)]
    if any(cells for _, cells, _ in lost):
        raise CellError([one for one in lost if one[1]])
    for c in ids:
        if not found[f"id {c.name}"]:
            read[c.name] = _given(table[c.name]).cast("int64")
    return table.mutate(*(value.name(name) for name, value in read.items())) if read else table


def _counted(
    table: ir.Table, others: list[Column], ids: list[Column], read: Mapping[str, ir.Value]
) -> dict[str, Any]:
    """In one pass: unreadable cells of each column and one of them, ids that no integer holds."""
    told: dict[str, ir.Value] = {"rows": table.count()}
    for i, column in enumerate(others):
        text = table[column.name]
        lost = _given(text).notnull() & read[column.name].isnull()
        told[f"n{i}"] = lost.sum().fill_null(0)
        told[f"e{i}"] = lost.ifelse(text, ibis.null("string")).min()
    for column in ids:
        strange = ~_given(table[column.name]).re_search(_PLAIN_ID)
        told[f"id {column.name}"] = strange.sum().fill_null(0)
    return dict(table.aggregate(**told).execute().iloc[0])


def hint(column: Column, cell: str) -> str:
    """The line of conf, or the change of the file, that lets a cell be read."""
    bare = cell.strip()
    if column.type in ("date", "timestamp"):
        name = {"date": "dateformat", "timestamp": "timestampformat"}[column.type]
        return (
            f"load_args: {{{name}: '%d.%m.%Y'}} with the order of day, month and year that the "
            "file has; without it only ISO 8601 (2026-11-30) is read"
        )
    if column.type == "boolean":
        return f"a boolean is one of {', '.join((*TRUE, *FALSE))}"
    return _number_hint(column, bare)


def _number_hint(column: Column, bare: str) -> str:
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})*,\d+|[+-]?\d+,\d+", bare):
        more = ", thousands: '.'" if "." in bare else ""
        return f"load_args: {{decimal_separator: ','{more}}}, if the comma is a decimal one"
    if re.fullmatch(r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?", bare):
        mark = next(letter for letter in bare if letter in ",' ")
        return f"load_args: {{thousands: {mark!r}}}, if that parts thousands"
    if bare.endswith("%"):
        return "deliver it without the percent sign, and state its unit in the contract"
    if column.type == "integer" and re.fullmatch(r"[+-]?\d+\.\d+", bare):
        return "state it as a number in the contract, or deliver whole numbers"
    return f"load_args: {{nullstr: ['', {bare!r}]}}, if it means missing; else state another type"


def _given(text: Any) -> Any:
    """A cell without the blanks around it; an empty one is missing."""
    return text.strip().nullif("")


def _number(text: Any, notation: Notation) -> ir.Value:
    return _plain(text, notation, whole=False).try_cast("float64")


def _integer(text: Any, notation: Notation) -> ir.Value:
    return _plain(text, notation, whole=True).re_replace(r"\.0+$", "").try_cast("int64")


def _plain(text: Any, notation: Notation, *, whole: bool) -> Any:
    """A number as programs write it; NULL where the text is not in the stated notation."""
    point, mark = (re.escape(x) for x in (notation.decimal_separator, notation.thousands))
    digits = rf"(\d+|\d{{1,3}}({mark}\d{{3}})+)" if mark else r"\d+"
    rest = rf"({point}0+)?" if whole else rf"({point}\d*)?([eE][+-]?\d+)?"
    form = rf"^[+-]?{digits}{rest}$" if whole else rf"^[+-]?({digits}{rest}|{point}\d+)$"
    text = text.re_search(form).ifelse(text, ibis.null("string"))
    if notation.thousands:
        text = text.replace(notation.thousands, "")
    return text.replace(notation.decimal_separator, ".")


def _boolean(text: Any, _: Notation) -> ir.Value:
    word = text.lower()
    return ibis.cases(
        (word.isin(TRUE), True), (word.isin(FALSE), False), else_=ibis.null("boolean")
    )


def _moment(type_: str, format_: str) -> Callable[[Any, Notation], ir.Value]:
    def read(text: Any, notation: Notation) -> ir.Value:
        stated = getattr(notation, format_)
        if stated is None:
            iso = text.re_search(_ISO[type_]).ifelse(text, ibis.null("string"))
            return iso.try_cast(type_)
        return _try_strptime(text, stated).cast(type_)

    return read


@ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), "timestamp"))
def _try_strptime(text: Any, format_: Any) -> Any:
    """DuckDB's: NULL where a text is not of the format."""


_READ: dict[str, Callable[[Any, Notation], ir.Value]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _moment("date", "dateformat"),
    "timestamp": _moment("timestamp", "timestampformat"),
}
