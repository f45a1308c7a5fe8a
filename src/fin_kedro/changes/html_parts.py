"""Parts of the page of a difference: a table, a status, a sentence that nothing differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from fin_kedro.changes.staleness import shown


def html_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """A table of headings, which are escaped, and cells, which are HTML.

    `numbers`: places of the columns that hold numbers.
    """
    kinds = [' class="num"' if n in numbers else "" for n in range(len(heads))]
    head = "".join(
        f'<th scope="col"{kind}>{escape(word)}</th>' if word else "<td></td>"
        for word, kind in zip(heads, kinds, strict=True)
    )
    lines = "".join(
        "<tr>" + "".join(f"<td{k}>{c}</td>" for c, k in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def html_leaves(leaves: Iterable[tuple[str, Any, Any]], what: str) -> str:
    """Leaves (name, before, after) as a table; `what` one of them is."""
    rows = [
        (f"<code>{escape(name)}</code>", escape(shown(old, 160)), escape(shown(new, 160)))
        for name, old, new in leaves
    ]
    return (
        html_table((what, "before", "after"), rows)
        if rows
        else nothing_differs(f"{what}s are the same.")
    )


def html_status(kind: str, word: str) -> str:
    """A word in the colour of its kind: a status, or ``attention``."""
    return f'<span class="status {escape(kind)}">{escape(word)}</span>'


def nothing_differs(sentence: str) -> str:
    """A sentence in the place of a table that would be empty."""
    return f'<p class="same">{escape(sentence)}</p>'
