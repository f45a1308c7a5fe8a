"""Datasets on the page of a difference: tables by column, JSON by leaf, others in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from fin_kedro.changes.data_difference import DataChange
from fin_kedro.changes.difference_words import NOTHING, number_words, table_words
from fin_kedro.changes.html_parts import html_leaves, html_table, nothing_differs
from fin_kedro.changes.staleness import shown
from fin_kedro.changes.table_difference import ColumnChange, TableChange

MOST_LEAVES = 40
MOST_COLUMNS = 12


def data_section(changes: Sequence[DataChange]) -> str:
    """Each dataset that differs, to be opened where there is more to say."""
    if not changes:
        return nothing_differs("Every dataset has the same content.")
    return "".join(_dataset(change) for change in changes)


def _dataset(change: DataChange) -> str:
    words = {"only first": "only before", "only second": "only after"}
    detail, line = "", ""
    if isinstance(change.detail, TableChange):
        detail, line = _table_change(change.detail), table_words(change.detail)
    elif isinstance(change.detail, list):
        line = f"{len(change.detail)} values differ"
        detail = _json_change(change.detail)
    elif change.detail:
        line = str(change.detail)
    head = f"<code>{escape(change.name)}</code> {words.get(change.change, change.change)}"
    said = f' <span class="said">{escape(line)}</span>' if line else ""
    if not detail:
        return f'<p class="dataset">{head}{said}</p>'
    opened = "" if change.made else " open"
    return f"<details{opened}><summary>{head}{said}</summary>{detail}</details>"


def _table_change(table: TableChange) -> str:
    columns = table.columns[:MOST_COLUMNS]
    if not columns:
        return ""
    paired = {None: "Rows could not be paired.", "position": "Rows are paired by position."}
    word = paired.get(table.paired_by, f"Rows are paired by {escape(str(table.paired_by))}.")
    rows = [
        (
            f"<code>{escape(column.name)}</code>",
            NOTHING if column.cells is None else f"{column.cells:,}",
            number_words(column.largest),
            _distribution(column),
        )
        for column in columns
    ]
    left = len(table.columns) - len(columns)
    more = f'<p class="note">{left} more columns differ.</p>' if left else ""
    heads = ("Column", "cells", "largest gap", "distribution, before → after")
    return f"<p>{word}</p>" + html_table(heads, rows, numbers=(1, 2)) + more


def _distribution(column: ColumnChange) -> str:
    """What of a summary differs; shares in per cent."""
    names = [n for n in {**column.before, **column.after} if _moved(column, n)]
    if not names:
        return "the same summary"
    sides = column.before, column.after
    return "; ".join(
        f"{escape(shown(name, 30))} {' → '.join(_part(column, name, side) for side in sides)}"
        for name in names
    )


def _moved(column: ColumnChange, name: str) -> bool:
    return column.before.get(name) != column.after.get(name)


def _part(column: ColumnChange, name: str, summary: dict[str, float]) -> str:
    value = summary.get(name)
    share = name == "missing" or (column.kind == "values" and name != "different values")
    return f"{value:.2%}" if share and value is not None else number_words(value)


def _json_change(leaves: list[tuple[str, Any, Any]]) -> str:
    more = len(leaves) - MOST_LEAVES
    note = f'<p class="note">{more:,} more values differ.</p>' if more > 0 else ""
    return html_leaves(leaves[:MOST_LEAVES], "Value") + note
