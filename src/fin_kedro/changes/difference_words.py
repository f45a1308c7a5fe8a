"""The difference of two runs in words: causes, effects, and some twenty lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fin_kedro.changes.difference import Difference
from fin_kedro.changes.figure_difference import FigureChange
from fin_kedro.changes.staleness import shown
from fin_kedro.changes.table_difference import TableChange

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def difference_lines(difference: Difference) -> list[str]:
    """The difference for a terminal, some twenty lines at most."""
    first, second = difference.runs
    head = f"{first.name} → {second.name}"
    if difference.identical:
        return [head, "The two runs are identical: the same code, data, parameters, environment "
                "and outputs."]  # fmt: skip
    lines = [head, *(f"  {line}" for line in causes(difference)), f"  → {effect(difference)}"]
    lines += [f"  {line}" for line in not_run_words(difference)]
    flips = [v for v in difference.verdicts if v.statuses[0] != v.statuses[1]]
    lines += [f"  {v.workflow} {v.code}: {v.statuses[0]} → {v.statuses[1]}" for v in flips[:5]]
    lines += [_figure_line(figure) for figure in difference.figures[:5]]
    return lines


def causes(difference: Difference) -> list[str]:
    """What differs in what the runs were given, a line each."""
    code, lines = difference.code, []
    names = [*code.modules, *code.notebooks]
    if names:
        lines.append(f"code: {_some(names)}")
    elif code.files:
        lines.append(f"no module that a node needs, but {_some([f.path for f in code.files])}")
    if difference.parameters:
        lines.append("parameters: " + _some([_leaf(*leaf) for leaf in difference.parameters], 3))
    raw = [change.name for change in difference.data if not change.made]
    if raw:
        lines.append(f"data: {_some(raw)}")
    if difference.environment:
        lines.append(f"environment: {_some([name for name, _, _ in difference.environment])}")
    return lines or ["nothing: code, data, parameters and environment are the same"]


def effect(difference: Difference) -> str:
    """What differs in the results of the two runs, in one sentence."""
    made = [change for change in difference.data if change.made]
    flips = [v for v in difference.verdicts if v.statuses[0] != v.statuses[1]]
    counted = ((made, "dataset"), (difference.figures, "figure"), (flips, "verdict"))
    parts = [count_words(len(things), word) for things, word in counted if things]
    return f"their results differ: {', '.join(parts)}." if made else "their results are the same."


def not_run_words(difference: Difference) -> list[str]:
    """Which run left nodes out, a line each: what only the other run knows is not compared."""
    names = [run.name for run in difference.runs]
    return [
        f"{name} did not run {_some(nodes)}: what they read and make is not compared"
        for name, nodes in zip(names, difference.not_run, strict=True)
        if nodes
    ]


def table_words(table: TableChange) -> str:
    """A table's difference in one line."""
    before, after = table.rows
    rows = f"{before:,} rows" if before == after else f"{before:,} → {after:,} rows"
    parts = [rows]
    for names, word in ((table.added, "new"), (table.removed, "dropped")):
        parts += [f"columns {word}: {_some(names)}"] if names else []
    parts += [f"types: {_some([f'{n} {a} → {b}' for n, a, b in table.retyped])}"] * bool(
        table.retyped
    )
    if table.only_before or table.only_after:
        parts.append(f"{table.only_before:,} rows gone, {table.only_after:,} new")
    if table.cells is not None:
        changed = sum(bool(column.cells) for column in table.columns)
        parts.append(f"{table.cells:,} cells differ in {changed} columns")
    parts += ["rows stand in another order"] if table.reordered else []
    return "; ".join([*parts, *([table.note] if table.note else [])])


def count_words(number: int, word: str) -> str:
    """A number of things, the word in its plural where it is not one."""
    plural = word.replace("status", "statuses") if "status" in word else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def number_words(value: float | None) -> str:
    """A number with four digits that count; a dash for none."""
    return NOTHING if value is None else f"{value:.4g}".replace("-", MINUS)


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _leaf(name: str, old: Any, new: Any) -> str:
    return f"{name} {shown(old, 24)} → {shown(new, 24)}"


def _figure_line(f: FigureChange) -> str:
    old, new = number_words(f.before), number_words(f.after)
    words = {True: " (better)", False: " (worse)", None: ""}[f.better]
    beyond = ", outside its interval" if f.outside else ""
    return f"  {f.workflow} {f.part} {f.model} {f.name}: {old} → {new}{words}{beyond}"
