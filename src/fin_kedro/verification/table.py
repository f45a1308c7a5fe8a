"""The table of `kedro verify --all`: a line for each run and notebook, and their sum."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fin_kedro.verification.comparison import NONE, Comparison
from fin_kedro.verification.outcome import first_words


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what was verified, its grade, what departs and why.

    ``steps``: of a run, the nodes whose outputs were compared.
    """

    kind: str
    subject: str
    grade: str
    holds: bool
    outputs: int = 0
    identical: int = 0
    what: str = ""
    cause: str = ""
    seconds: float = 0.0
    steps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The line as plain JSON."""
        return {**vars(self), "seconds": round(self.seconds, 1)}


def compared(comparison: Comparison) -> dict[str, Any]:
    """What a comparison gives its line: the grade, how many outputs are the same, what departs."""
    return {
        "grade": comparison.grade,
        "outputs": len(comparison.outputs),
        "identical": len(comparison.outputs) - len(comparison.departing),
        "what": first_words(comparison.decisive),
    }


def print_table(rows: Sequence[Row]) -> None:
    """Print one line a notebook or run, and the sum."""
    from rich.console import Console
    from rich.table import Table

    columns = ("grade", "kind", "subject", "identical", "s", "what departs, and why")
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        counted = f"{row.identical}/{row.outputs}" if row.outputs else ""
        seconds = f"{row.seconds:.0f}" if row.seconds else ""
        words = "; ".join(part for part in (row.what, row.cause) if part)
        table.add_row(row.grade, row.kind, row.subject, counted, seconds, words)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print(f"{grades_words(rows)}.")


def grades_words(rows: Sequence[Row]) -> str:
    """How many of each grade, in a few words."""
    counts = Counter(row.grade for row in rows)
    if not counts:
        return "nothing to verify"
    return ", ".join(f"{counts[g]} {g}" for g in (*"ABCD", NONE) if counts[g])
