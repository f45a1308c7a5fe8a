"""Rows of history as a warm start takes them: from pandas or Arrow tables, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fin_kedro.features.event_plan import EventError

CHUNK = 2_000  # rows that are made dictionaries of at once


def row_chunks(tables: Any, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Return rows of one or many tables, in chunks, with the named columns only.

    EventError for a table that lacks one of them.
    """
    if hasattr(tables, "to_batches"):  # an Arrow table
        tables = tables.to_batches()
    elif hasattr(tables, "columns") and hasattr(tables, "iloc"):  # a pandas frame
        tables = [tables]
    for table in tables:
        lists = [_list(table, name) for name in columns]
        for start in range(0, len(lists[0]), CHUNK):
            part = zip(*(each[start : start + CHUNK] for each in lists), strict=True)
            yield [dict(zip(columns, row, strict=True)) for row in part]


def newest_rows(table: Any, known: str, reach: int) -> Any:
    """Return the rows of a whole table that the newest of them can count; others as they are."""
    if hasattr(table, "iloc") and len(table):
        return table[table[known] >= table[known].max() - reach]
    if hasattr(table, "to_batches") and len(table):
        import pyarrow.compute as pc

        return table.filter(pc.field(known) >= pc.max(table[known]).as_py() - reach)
    return table


def _list(table: Any, name: str) -> list[Any]:
    try:
        column = table[name]
    except KeyError:
        raise EventError(f"the table has no column {name!r}.") from None
    return column.to_pylist() if hasattr(column, "to_pylist") else column.tolist()  # type: ignore[no-any-return]
