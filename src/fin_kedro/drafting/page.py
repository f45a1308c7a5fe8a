"""The profile of a drafted table as one HTML page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from fin_kedro.drafting.guess import Draft, Guess
from fin_kedro.reports.report_html import CONTENT_POLICY, TEMPLATE, TEMPLATES

WIDTH, HEIGHT, STEP = 360, 70, 14  # of a picture, in pixels; height of a bar of a level


def page(draft: Draft, name: str, origin: str, aucs: Mapping[str, float]) -> str:
    """The page: what was found and asked, a table of the columns, a picture of each."""
    css = (TEMPLATES / TEMPLATE / "report.css").read_text("utf-8")
    title = f"Profile of {name}"
    rows = "".join(_row(guess, aucs.get(guess.name)) for guess in draft.columns.values())
    parts = "".join(_section(place, guess) for place, guess in enumerate(draft.columns.values()))
    asked = sum(len(guess.questions) for guess in draft.columns.values())
    heads = ("column", "role", "type", "missing", "distinct", "range or levels", "AUC alone")
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in heads)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{css}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
            f"<p>Drafted from <code>{escape(origin)}</code>: {draft.table.rows:,} rows, "
            f"{len(draft.columns)} columns. The bad outcome is {escape(repr(draft.event))} of "
            f"<code>{escape(draft.by_role('target')[0].name)}</code>. {asked} questions about "
            "columns are open; they stand in the contract, too.</p>",
            f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>',
            f"<tbody>{rows}</tbody></table></div>",
            f"<main>{parts}</main>\n</body>\n</html>\n",
        ]
    )


def _row(guess: Guess, auc: float | None) -> str:
    p = guess.profile
    seen = f"{_shown(p.low)} to {_shown(p.high)}" if p.quartiles else _levels(guess)
    cells = (
        f"<code>{escape(guess.name)}</code>", guess.role, p.type,
        f"{p.missing / max(p.rows, 1):.1%}", f"{p.distinct:,}", escape(seen),
        "" if auc is None else f"{auc:.3f}",
    )  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _hidden(guess: Guess) -> bool:
    """Values of persons are not shown; neither are ids, nor texts that could be either."""
    free = guess.profile.type == "string" and guess.role == "ignored"
    return free or guess.classification in ("personal", "pseudonym")


def _levels(guess: Guess) -> str:
    if _hidden(guess):
        return "not shown"
    return ", ".join(_shown(value) for value, _ in guess.profile.levels[:4])


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)[:60]
    )


def _section(place: int, guess: Guess) -> str:
    reason = f"{guess.reason[:1].upper()}{guess.reason[1:]}."
    asked = "".join(f"<li>{escape(question)}</li>" for question in guess.questions)
    listed = f"<ul>{asked}</ul>" if asked else ""
    picture = "" if _hidden(guess) or guess.profile.unique else _picture(guess)
    return (
        f'<section aria-labelledby="c{place}"><h2 id="c{place}">{escape(guess.name)}</h2>'
        f"<p>{escape(guess.role)}. {escape(reason)}</p>{listed}{picture}</section>"
    )


def _picture(guess: Guess) -> str:
    """Bars: upright with a scale where there is an order, else lying, one a level."""
    bars = guess.profile.bars
    if not bars:
        return ""
    most = max(rows for _, rows in bars)
    draw = _upright if guess.profile.quartiles else _lying
    told = f"rows by value of {guess.name}; the most are {most:,}"
    return f"<figure>{draw(bars, most, escape(told, quote=True))}</figure>"


def _upright(bars: Any, most: int, told: str) -> str:
    wide = WIDTH / len(bars)
    shapes = "".join(
        f'<rect x="{n * wide:.1f}" y="{HEIGHT * (1 - rows / most):.1f}" width="{wide * 0.9:.1f}" '
        f'height="{HEIGHT * rows / most:.1f}" fill="#1f4e79"><title>{escape(label)}: {rows:,} rows'
        "</title></rect>"
        for n, (label, rows) in enumerate(bars)
    )
    ends = (
        f'<text x="0" y="{HEIGHT + 14}" font-size="11">{escape(bars[0][0])}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 14}" font-size="11" text-anchor="end">'
        f"{escape(bars[-1][0])}</text>"
    )
    return _svg(HEIGHT + 18, told, shapes + ends)


def _lying(bars: Any, most: int, told: str) -> str:
    shapes = "".join(
        f'<text x="118" y="{n * STEP + 10}" font-size="11" text-anchor="end">{escape(label[:18])}'
        f'</text><rect x="124" y="{n * STEP + 1}" width="{(WIDTH - 190) * rows / most:.1f}" '
        f'height="{STEP - 3}" fill="#1f4e79"/><text x="{128 + (WIDTH - 190) * rows / most:.1f}" '
        f'y="{n * STEP + 10}" font-size="11">{rows:,}</text>'
        for n, (label, rows) in enumerate(bars)
    )
    return _svg(len(bars) * STEP + 2, told, shapes)


def _svg(height: int, told: str, shapes: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{told}">{shapes}</svg>'
    )
