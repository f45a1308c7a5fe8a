"""The report of an executed notebook as one HTML file that needs nothing outside itself.

No script, no link to another host, all pictures and styles inside, and a content policy that
holds a reader's browser to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fin_kedro.checks.verdict import from_records, overall

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = "fin_report"
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
LABELS = {
    "pass": "pass",
    "attention": "attention",
    "fail": "fail",
    "not_judged": "not judged",
    "not_applicable": "not applicable",
}
HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)


def render_html(
    notebook: Mapping[str, Any],
    *,
    verdicts: Sequence[Mapping[str, Any]] = (),
    error: Mapping[str, Any] | None = None,
    seal: str | None = None,
) -> str:
    """The HTML of an executed notebook (nbformat 4 dict), verdicts on top, code folded away.

    `verdicts`: JSON records in report order; `error`: {cell, name, message} of an execution that
    did not complete, shown as a banner in place of the overall verdict; `seal`: the digest of the
    notebook's seal, named in the page's head.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    node = nbformat.from_dict(dict(notebook))
    css = (TEMPLATES / TEMPLATE / "report.css").read_text(encoding="utf-8")
    exporter = HTMLExporter(
        template_name=TEMPLATE,
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        preprocessors=[],
    )
    fin = {
        "title": report_title(notebook),
        "policy": CONTENT_POLICY,
        "css": css + HtmlFormatter(style="xcode").get_style_defs(".highlight"),
        "labels": LABELS,
        "verdicts": [{**v, "threshold": _signs(v["threshold"])} for v in verdicts],
        "overall": overall(from_records(verdicts)),
        "summary": summarise(verdicts),
        "error": error,
    }
    body, _ = exporter.from_notebook_node(node, resources={"fin": fin})
    return _with_seal(_with_contents(_without_blank_ends(body)), seal)


def _with_seal(html: str, digest: str | None) -> str:
    """Name the seal in the head, as `fin_kedro.seals.seal.read_seal` looks for it."""
    named = f'<meta name="seal" content="{digest}">\n</head>'
    return html.replace("</head>", named, 1) if digest else html


def report_title(notebook: Mapping[str, Any]) -> str:
    """The text of the first H1, or "Report"."""
    for cell in notebook["cells"]:
        lines = "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []
        for line in lines:
            if line.startswith("# "):
                return line[2:].strip()
    return "Report"


def summarise(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """How many gates passed, need attention, failed, could not be judged, in words."""
    gates = [verdict for verdict in verdicts if verdict["gate"]]
    counts = Counter(verdict["status"] for verdict in gates)
    words = {
        "pass": "pass",
        "attention": "need attention",
        "fail": "fail",
        "not_judged": "not judged",
        "not_applicable": "not applicable",
    }
    parts = [f"{counts[status]} {word}" for status, word in words.items() if counts[status]]
    others = len(verdicts) - len(gates)
    listed = ", ".join(parts) or "none"
    return f"{len(gates)} gates: {listed}. {others} further checks for information."


def _signs(threshold: str) -> str:
    """A threshold with the signs a reader knows."""
    return threshold.replace(">=", "≥").replace("<=", "≤")


def _with_contents(html: str) -> str:
    """Number the article's second-level headings and list them in the table of contents."""
    start = html.index("<article>")
    entries: list[str] = []

    def anchor(heading: re.Match[str]) -> str:
        name = f"section-{len(entries) + 1}"
        entries.append(f'<li><a href="#{name}">{heading[1]}</a></li>')
        return f'<h2 id="{name}">{heading[1]}</h2>'

    article = HEADING.sub(anchor, html[start:])
    return html[:start].replace("<!--contents-->", "".join(entries), 1) + article


def _without_blank_ends(html: str) -> str:
    """Drop spaces at line ends and doubled blank lines, which templates leave behind."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", html)).strip() + "\n"
