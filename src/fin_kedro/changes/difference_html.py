"""The difference of two runs as one HTML page that needs nothing outside itself.

No script, no link to another host, pictures and styles inside, a content policy that holds a
browser to it; light or dark as the reader's system is.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from fin_kedro.changes.code_difference import CodeChanges
from fin_kedro.changes.code_html import code_section
from fin_kedro.changes.data_html import data_section
from fin_kedro.changes.difference import Difference
from fin_kedro.changes.difference_words import NOTHING, causes, effect, not_run_words
from fin_kedro.changes.html_parts import html_leaves, html_table, nothing_differs
from fin_kedro.changes.result_html import figures_section, pictures_section, verdicts_section
from fin_kedro.changes.runs import Run
from fin_kedro.reports.report_html import CONTENT_POLICY

CSS = Path(__file__).parent / "run_difference.css"


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
        ("code", "Code", _code_count(code), code_section(code)),
        ("parameters", "Parameters", _count(difference.parameters),
         html_leaves(difference.parameters, "Parameter")),
        ("read", "Data that were read", _count(raw), data_section(raw)),
        ("environment", "Environment", _count(difference.environment),
         _environment(difference)),
        ("verdicts", "Verdicts", _count(difference.verdicts),
         verdicts_section(difference.verdicts, difference.same_verdicts)),
        ("figures", "Figures", _count(difference.figures),
         figures_section(difference.figures, difference.same_figures)),
        ("pictures", "Pictures", _count(difference.pictures),
         pictures_section(difference.pictures, difference.same_pictures)),
        ("made", "Data that were made", _count(made), data_section(made)),
    ]  # fmt: skip
    return parts


def _count(entries: Sequence[Any]) -> str:
    return str(len(entries)) if entries else "same"


def _code_count(code: CodeChanges) -> str:
    changed = len(code.files) if code.files is not None else len(code.modules)
    return f"{changed} files" if changed else "same"


def _environment(difference: Difference) -> str:
    if not difference.environment:
        return nothing_differs(
            "The environment is the same: lock, libraries, Python, platform, threads."
        )
    rows = [
        (f"<code>{escape(name)}</code>", escape(_plain(old)), escape(_plain(new)))
        for name, old, new in difference.environment
    ]
    return html_table(("What", "before", "after"), rows)


def _plain(value: Any) -> str:
    """A value of the environment; a hash is cut, a list is its entries."""
    if isinstance(value, list):
        return ", ".join(_plain(entry) for entry in value) or NOTHING
    if isinstance(value, dict):
        return " ".join(str(entry) for entry in value.values())
    text = NOTHING if value is None else str(value)
    is_hash = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_hash else text


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
    left_out = "".join(f"<p>{escape(line)}.</p>" for line in not_run_words(difference))
    return (
        '<div class="banner"><strong>What differs in what they were given</strong>'
        f"<ul>{items}</ul><p>In effect, {escape(effect(difference))}</p>{left_out}</div>"
    )
