"""Code on the page of a difference: commits, modules, locked libraries, lines of files."""

from __future__ import annotations

from html import escape

from fin_kedro.changes.code_difference import CodeChanges, FileChange
from fin_kedro.changes.difference_words import MINUS, NOTHING
from fin_kedro.changes.html_parts import html_table, nothing_differs


def code_section(code: CodeChanges) -> str:
    """What differs in the code."""
    if code.same:
        return nothing_differs("The code is the same.")
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
    return "<h3>Locked libraries</h3>" + html_table(("Library", "before", "after"), rows)


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
