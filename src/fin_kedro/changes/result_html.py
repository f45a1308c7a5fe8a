"""Results on the page of a difference: figures, verdicts, and pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fin_kedro.changes.difference_words import MINUS, NOTHING, count_words, number_words
from fin_kedro.changes.figure_difference import FigureChange
from fin_kedro.changes.html_parts import html_status, html_table, nothing_differs
from fin_kedro.changes.picture_difference import PictureChange
from fin_kedro.changes.verdict_difference import VerdictChange
from fin_kedro.reports.report_html import LABELS


def figures_section(figures: Sequence[FigureChange], same: int) -> str:
    """Figures that differ; `same`: how many more do not."""
    if not figures:
        return nothing_differs(
            f"All {same} figures are the same." if same else "No figures were measured."
        )
    rows = [
        (
            html_status("attention", "outside") if f.outside else "",
            f"{escape(f.name)}",
            f"{escape(f.workflow)} {escape(f.model)}, {escape(f.part)}",
            number_words(f.before),
            number_words(f.after),
            _change(f),
            f"{number_words(f.interval[0])} to {number_words(f.interval[1])}"
            if f.interval
            else NOTHING,
        )
        for f in figures
    ]
    note = (
        "<p>The model that decides comes first, then what moved most against the 95 % interval "
        f"that it had. <em>Outside</em>: beyond that interval. {same} more are the same.</p>"
    )
    heads = ("", "Figure", "Model, part", "before", "after", "change", "interval before")
    return note + html_table(heads, rows, numbers=(3, 4, 5, 6))


def _change(figure: FigureChange) -> str:
    if figure.change is None:
        return NOTHING
    words = {True: "better", False: "worse", None: ""}[figure.better]
    return f'{figure.change:+.4g} <span class="{words}">{words}</span>'.replace("-", MINUS)


def verdicts_section(verdicts: Sequence[VerdictChange], same: int) -> str:
    """Verdicts that differ; `same`: how many more do not."""
    if not verdicts:
        return nothing_differs(
            f"All {same} verdicts are the same." if same else "No report was written."
        )
    rows = [
        (
            _status_of(v, 0),
            _status_of(v, 1),
            f"<strong>{escape(v.title)}</strong> <code>{escape(v.code)}</code> "
            f"<small>{escape(v.workflow)}</small>",
            *(number_words((verdict or {}).get("value")) for verdict in (v.before, v.after)),
            escape(_limits(v)),
        )
        for v in verdicts
    ]
    flips = sum(v.statuses[0] != v.statuses[1] for v in verdicts)
    note = (
        f"<p>{count_words(flips, 'status')} changed, {len(verdicts) - flips} more only in their "
        f"figure; {same} are the same to the last digit.</p>"
    )
    heads = ("before", "after", "Check", "figure before", "figure after", "Limit")
    return note + html_table(heads, rows, numbers=(3, 4))


def _status_of(verdict: VerdictChange, side: int) -> str:
    word = verdict.statuses[side]
    return html_status(word, LABELS.get(word, "not made"))


def _limits(verdict: VerdictChange) -> str:
    """The limit, or both where the policy changed it."""
    old, new = (str((v or {}).get("threshold") or NOTHING) for v in (verdict.before, verdict.after))
    words = old if old == new else f"{old} → {new}"
    return words.replace(">=", "≥").replace("<=", "≤")


def pictures_section(pictures: Sequence[PictureChange], same: int) -> str:
    """Pictures that differ; `same`: how many more do not."""
    if not pictures:
        return nothing_differs(
            f"All {same} pictures are the same." if same else "No pictures were made."
        )
    pairs = "".join(
        f'<figure class="pair"><figcaption>{escape(p.title)}</figcaption>'
        f'<div class="sides">{_side(p.before, "before", p.title)}{_side(p.after, "after", p.title)}'
        "</div></figure>"
        for p in pictures
    )
    return f"<p>{same} more are the same, pixel by pixel.</p>{pairs}"


def _side(address: str | None, word: str, title: str) -> str:
    if address is None:
        return f"<div><span>{word}</span><p>not there</p></div>"
    return f'<div><span>{word}</span><img src="{address}" alt="{escape(title)}, {word}"></div>'
