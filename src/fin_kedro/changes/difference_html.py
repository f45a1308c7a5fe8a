"""The difference of two runs as one HTML page that needs nothing outside itself, and as text.

No script, no link to another host, pictures and styles inside, a content policy that holds a
browser to it; light or dark as the reader's system is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fin_kedro.changes.code_difference import CodeChanges, FileChange
from fin_kedro.changes.difference import (
    DataChange,
    Difference,
    FigureChange,
    PictureChange,
    Run,
    VerdictChange,
)
from fin_kedro.changes.staleness import shown
from fin_kedro.changes.table_difference import ColumnChange, TableChange
from fin_kedro.reports.report_html import CONTENT_POLICY, LABELS

CSS = Path(__file__).parent / "run_difference.css"
NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
MOST_LEAVES = 40
MOST_COLUMNS = 12


def render_difference(difference: Difference) -> str:
    """The page of a difference."""
    first, second = difference.runs
    title = f"Runs {first.name} and {second.name}"
    sections = _sections(difference)
    contents = "".join(
        f'<li><a href="#{name}">{heading}</a> <span class="count">{escape(count)}</span></li>'
        for name, heading, count, _ in sections
    )
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>{inner}</section>'
        for name, heading, _, inner in sections
    )
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{CSS.read_text(encoding='utf-8')}</style>\n</head>\n<body>",
            "<header><h1>What changed between two runs</h1>",
            _runs(first, second),
            _verdict_of_all(difference),
            "</header>",
            f'<nav aria-label="Contents"><ol>{contents}</ol></nav>' if sections else "",
            f"<main>{body}</main>\n</body>\n</html>\n",
        ]
    )


def _sections(difference: Difference) -> list[tuple[str, str, str, str]]:
    """Name, heading, count and content of each part; causes first, then effects."""
    if difference.identical:
        return []
    raw = [change for change in difference.data if not change.made]
    made = [change for change in difference.data if change.made]
    code = difference.code
    parts = [
        ("code", "Code", _code_count(code), _code(code)),
        ("parameters", "Parameters", _count(difference.parameters),
         _leaves(difference.parameters, "Parameter")),
        ("read", "Data that were read", _count(raw), _data(raw)),
        ("environment", "Environment", _count(difference.environment),
         _environment(difference)),
        ("verdicts", "Verdicts", _count(difference.verdicts),
         _verdicts(difference.verdicts, difference.same_verdicts)),
        ("figures", "Figures", _count(difference.figures),
         _figures(difference.figures, difference.same_figures)),
        ("pictures", "Pictures", _count(difference.pictures),
         _pictures(difference.pictures, difference.same_pictures)),
        ("made", "Data that were made", _count(made), _data(made)),
    ]  # fmt: skip
    return parts


def _count(entries: Sequence[Any]) -> str:
    return str(len(entries)) if entries else "same"


def _code_count(code: CodeChanges) -> str:
    changed = len(code.files) if code.files is not None else len(code.modules)
    return f"{changed} files" if changed else "same"


# Head


def _runs(first: Run, second: Run) -> str:
    rows = [
        ("Run", [f"<code>{escape(run.name)}</code>" for run in (first, second)]),
        ("Subject", [escape(_subject(run)) for run in (first, second)]),
        ("Outcome", [escape(run.seal["content"]["outcome"]) for run in (first, second)]),
        ("Commit", [_commit(run) for run in (first, second)]),
        ("By", [escape(str(run.seal["occasion"].get("by") or NOTHING)) for run in (first, second)]),
        ("Time", [_seconds(run) for run in (first, second)]),
        ("Seal", [f"<code>{run.seal['digest'][:16]}</code>" for run in (first, second)]),
    ]
    lines = "".join(
        f'<tr><th scope="row">{name}</th><td>{old}</td><td>{new}</td></tr>'
        for name, (old, new) in rows
    )
    head = '<tr><td></td><th scope="col">before</th><th scope="col">after</th></tr>'
    table = f'<table class="runs"><thead>{head}</thead><tbody>{lines}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def _subject(run: Run) -> str:
    subject = run.seal["content"]["subject"]
    what = subject.get("notebook") or ", ".join(subject.get("pipelines", []))
    chosen = [n for names in (subject.get("selection") or {}).values() for n in names]
    part = f", {len(chosen)} chosen" if chosen else ""
    env = f" (--env {subject['env']})" if subject.get("env") else ""
    return f"{what}{part}{env}"


def _commit(run: Run) -> str:
    code = run.seal["content"]["code"]
    commit = code.get("commit")
    words = f"<code>{commit[:10]}</code>" if commit else "no commit recorded"
    return words + (" and uncommitted changes" if code.get("dirty") else "")


def _seconds(run: Run) -> str:
    seconds = run.seal["occasion"].get("seconds")
    return f"{seconds:.0f} s" if isinstance(seconds, int | float) else NOTHING


def _verdict_of_all(difference: Difference) -> str:
    if difference.identical:
        return (
            '<p class="banner pass"><strong>The two runs are identical.</strong> Code, data, '
            "parameters, environment and every output have the same content.</p>"
        )
    items = "".join(f"<li>{escape(line)}</li>" for line in causes(difference))
    return (
        '<div class="banner"><strong>What differs in what they were given</strong>'
        f"<ul>{items}</ul><p>In effect, {escape(effect(difference))}</p></div>"
    )


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
    parts = [_counted(len(things), word) for things, word in counted if things]
    return f"their results differ: {', '.join(parts)}." if made else "their results are the same."


def _counted(number: int, word: str) -> str:
    plural = word.replace("status", "statuses") if "status" in word else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _leaf(name: str, old: Any, new: Any) -> str:
    return f"{name} {shown(old, 24)} → {shown(new, 24)}"


# Code


def _code(code: CodeChanges) -> str:
    if code.same:
        return _same("The code is the same.")
    parts = [f'<p class="note">{escape(code.note)}</p>'] if code.note else []
    if code.log:
        entries = "".join(f"<li>{escape(line)}</li>" for line in code.log)
        parts.append(f"<h3>Commits between</h3><ul>{entries}</ul>")
    changed = [*code.modules, *code.notebooks]
    if changed:
        words = ", ".join(f"<code>{escape(name)}</code>" for name in changed)
        parts.append(f"<p>Changed in more than comments: {words}.</p>")
    if code.nodes:
        nodes = ", ".join(f"<code>{escape(name)}</code>" for name in code.nodes)
        parts.append(f"<p>Nodes that rest on it: {nodes}.</p>")
    if code.packages:
        parts.append(_packages(code))
    parts += [_file(file) for file in code.files or ()]
    return "".join(parts)


def _packages(code: CodeChanges) -> str:
    rows = [
        (escape(n), escape(old or NOTHING), escape(new or NOTHING)) for n, old, new in code.packages
    ]
    return "<h3>Locked libraries</h3>" + _table(("Library", "before", "after"), rows)


def _file(file: FileChange) -> str:
    lines = "".join(_line(line) for line in file.lines)
    more = f'<p class="note">{file.left_out} more lines are left out.</p>' if file.left_out else ""
    origin = f" <small>written from {escape(file.origin)}</small>" if file.origin else ""
    counts = (
        f'<span class="plus">+{file.added}</span> <span class="minus">{MINUS}{file.removed}</span>'
    )
    opened = "" if file.origin or file.added + file.removed > 80 else " open"
    return (
        f"<details{opened}><summary><code>{escape(file.path)}</code> {file.change} {counts}"
        f'{origin}</summary><pre class="diff" tabindex="0">{lines}</pre>{more}</details>'
    )


def _line(line: str) -> str:
    kinds = {"+": "ins", "-": "del", "@": "at"}
    kind = kinds.get(line[:1])
    text = escape(line)
    return f'<span class="{kind}">{text}</span>\n' if kind else f"{text}\n"


# Parameters and environment


def _leaves(leaves: Iterable[tuple[str, Any, Any]], what: str) -> str:
    rows = [
        (f"<code>{escape(name)}</code>", escape(shown(old, 160)), escape(shown(new, 160)))
        for name, old, new in leaves
    ]
    return _table((what, "before", "after"), rows) if rows else _same(f"{what}s are the same.")


def _environment(difference: Difference) -> str:
    if not difference.environment:
        return _same("The environment is the same: lock, libraries, Python, platform, threads.")
    rows = [
        (f"<code>{escape(name)}</code>", escape(_plain(old)), escape(_plain(new)))
        for name, old, new in difference.environment
    ]
    return _table(("What", "before", "after"), rows)


def _plain(value: Any) -> str:
    """A value of the environment; a hash is cut, a list is its entries."""
    if isinstance(value, list):
        return ", ".join(_plain(entry) for entry in value) or NOTHING
    if isinstance(value, dict):
        return " ".join(str(entry) for entry in value.values())
    text = NOTHING if value is None else str(value)
    is_hash = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_hash else text


# Figures and verdicts


def _figures(figures: Sequence[FigureChange], same: int) -> str:
    if not figures:
        return _same(f"All {same} figures are the same." if same else "No figures were measured.")
    rows = [
        (
            _status("warn", "outside") if f.outside else "",
            f"{escape(f.name)}",
            f"{escape(f.workflow)} {escape(f.model)}, {escape(f.part)}",
            _number(f.before),
            _number(f.after),
            _change(f),
            f"{_number(f.interval[0])} to {_number(f.interval[1])}" if f.interval else NOTHING,
        )
        for f in figures
    ]
    note = (
        "<p>The model that decides comes first, then what moved most against the 95 % interval "
        f"that it had. <em>Outside</em>: beyond that interval. {same} more are the same.</p>"
    )
    heads = ("", "Figure", "Model, part", "before", "after", "change", "interval before")
    return note + _table(heads, rows, numbers=(3, 4, 5, 6))


def _change(figure: FigureChange) -> str:
    if figure.change is None:
        return NOTHING
    words = {True: "better", False: "worse", None: ""}[figure.better]
    return f'{figure.change:+.4g} <span class="{words}">{words}</span>'.replace("-", MINUS)


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}".replace("-", MINUS)


def _verdicts(verdicts: Sequence[VerdictChange], same: int) -> str:
    if not verdicts:
        return _same(f"All {same} verdicts are the same." if same else "No report was written.")
    rows = [
        (
            _status_of(v, 0),
            _status_of(v, 1),
            f"<strong>{escape(v.title)}</strong> <code>{escape(v.code)}</code> "
            f"<small>{escape(v.workflow)}</small>",
            *(_number((verdict or {}).get("value")) for verdict in (v.before, v.after)),
            escape(_limits(v)),
        )
        for v in verdicts
    ]
    flips = sum(v.statuses[0] != v.statuses[1] for v in verdicts)
    note = (
        f"<p>{_counted(flips, 'status')} changed, {len(verdicts) - flips} more only in their "
        f"figure; {same} are the same to the last digit.</p>"
    )
    heads = ("before", "after", "Check", "figure before", "figure after", "Limit")
    return note + _table(heads, rows, numbers=(3, 4))


def _status_of(verdict: VerdictChange, side: int) -> str:
    word = verdict.statuses[side]
    return _status(word, LABELS.get(word, "not made"))


def _status(kind: str, word: str) -> str:
    return f'<span class="status {escape(kind)}">{escape(word)}</span>'


def _limits(verdict: VerdictChange) -> str:
    """The limit, or both where the policy changed it."""
    old, new = (str((v or {}).get("threshold") or NOTHING) for v in (verdict.before, verdict.after))
    words = old if old == new else f"{old} → {new}"
    return words.replace(">=", "≥").replace("<=", "≤")


# Pictures and data


def _pictures(pictures: Sequence[PictureChange], same: int) -> str:
    if not pictures:
        return _same(f"All {same} pictures are the same." if same else "No pictures were made.")
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


def _data(changes: Sequence[DataChange]) -> str:
    if not changes:
        return _same("Every dataset has the same content.")
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
            _number(column.largest),
            _distribution(column),
        )
        for column in columns
    ]
    left = len(table.columns) - len(columns)
    more = f'<p class="note">{left} more columns differ.</p>' if left else ""
    heads = ("Column", "cells", "largest gap", "distribution, before → after")
    return f"<p>{word}</p>" + _table(heads, rows, numbers=(1, 2)) + more


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
    return f"{value:.2%}" if share and value is not None else _number(value)


def _json_change(leaves: list[tuple[str, Any, Any]]) -> str:
    more = len(leaves) - MOST_LEAVES
    note = f'<p class="note">{more:,} more values differ.</p>' if more > 0 else ""
    return _leaves(leaves[:MOST_LEAVES], "Value") + note


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
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


def _same(sentence: str) -> str:
    return f'<p class="same">{escape(sentence)}</p>'


# Text


def difference_lines(difference: Difference) -> list[str]:
    """The difference for a terminal, some twenty lines at most."""
    first, second = difference.runs
    head = f"{first.name} → {second.name}"
    if difference.identical:
        return [head, "The two runs are identical: the same code, data, parameters, environment "
                "and outputs."]  # fmt: skip
    lines = [head, *(f"  {line}" for line in causes(difference)), f"  → {effect(difference)}"]
    flips = [v for v in difference.verdicts if v.statuses[0] != v.statuses[1]]
    lines += [f"  {v.workflow} {v.code}: {v.statuses[0]} → {v.statuses[1]}" for v in flips[:5]]
    lines += [_figure_line(figure) for figure in difference.figures[:5]]
    return lines


def _figure_line(f: FigureChange) -> str:
    old, new = _number(f.before), _number(f.after)
    words = {True: " (better)", False: " (worse)", None: ""}[f.better]
    beyond = ", outside its interval" if f.outside else ""
    return f"  {f.workflow} {f.part} {f.model} {f.name}: {old} → {new}{words}{beyond}"
