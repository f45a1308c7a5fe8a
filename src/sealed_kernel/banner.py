"""The sign that a kernel shows: sealed or not, environment, code, data, and honesty of its cells.

`Sign` holds what was found; `text` and `html` say it, `fingerprint` is what a notebook keeps.
"""

from __future__ import annotations

import html as markup
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from sealed_kernel.code import CodeState
from sealed_kernel.environment import EnvironmentReport
from sealed_kernel.honesty import Execution, Finding

NAMED = 4  # files, datasets or distributions that are named before the rest is counted
# JupyterLab's own colours, so that it looks right in light and dark; the second is for elsewhere
COLOURS = {
    "good": "var(--jp-success-color1, #388e3c)",
    "doubt": "var(--jp-warn-color1, #f57c00)",
    "bad": "var(--jp-error-color1, #d32f2f)",
}


@dataclass(frozen=True)
class Sign:
    """What is known of a kernel at one moment.

    `departures`: fixed conditions that do not hold, as `fixed.departures` gives them. `data` and
    `mixed` as `data_log.loaded` and `data_log.mixed` give them; `read` and `saved`, which a
    notebook keeps, as `data_log.every` and `data_log.saved` do. `findings` is None when the
    document is not known; `enforced` when the kernel refuses to run in another environment.
    """

    environment: EnvironmentReport
    code: CodeState
    departures: Mapping[str, str | None] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mixed: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    read: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    saved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    findings: tuple[Finding, ...] | None = None
    executions: tuple[Execution, ...] = ()
    enforced: bool = False

    @property
    def sealed(self) -> bool:
        """Whether the environment is the locked one, under the fixed conditions."""
        return self.environment.matches is True and not self.departures

    @property
    def refused(self) -> bool:
        """Whether the kernel runs nothing: it is to be sealed, and its environment differs."""
        return self.enforced and self.environment.matches is not True

    @property
    def state(self) -> str:
        """`good`; `doubt` for what a seal still records in full; else `bad`."""
        if not self.sealed or any(finding.grave for finding in self.findings or ()):
            return "bad"
        return "doubt" if self.code.dirty is not False or self.findings or self.mixed else "good"


def headline(sign: Sign) -> str:
    """`sealed`, or `not sealed` and the reasons; and whether the cells were run as written."""
    if sign.sealed:
        astray = any(finding.grave for finding in sign.findings or ())
        return "sealed" + (", but the cells were not run as they stand here" if astray else "")
    reasons = ["the environment is not the locked one"] if sign.environment.problems else []
    reasons += ["no lock"] if sign.environment.matches is None else []
    reasons += ["conditions are not fixed"] if sign.departures else []
    refused = "; nothing is executed" if sign.refused else ""
    return f"not sealed: {' and '.join(reasons)}{refused}"


def rows(sign: Sign) -> list[tuple[str, str]]:
    """What is said of each thing, by its name."""
    said = [
        ("environment", f"{sign.environment.summary()}, Python {platform.python_version()}"),
        ("conditions", _conditions(sign.departures)),
        ("code", _code(sign.code)),
        ("data", _data(sign)),
        ("cells", _cells(sign.findings)),
    ]
    return [(name, words) for name, words in said if words]


def _conditions(departures: Mapping[str, str | None]) -> str:
    """Only what is not as it should be; the fixed conditions need no words."""
    if not departures:
        return ""
    return _counted([f"{n} is {'not set' if v is None else v}" for n, v in departures.items()])


def _code(code: CodeState) -> str:
    few = 0 < len(code.files) <= NAMED
    return f"{code}: {', '.join(code.files)}" if few else str(code)


def _data(sign: Sign) -> str:
    if not sign.data:
        return "none loaded yet"
    parts = []
    for name, entry in sign.data.items():
        version = entry.get("version") or (entry.get("sha256") or "")[:8] or "no version"
        also = f" (and {len(sign.mixed[name]) - 1} earlier)" if name in sign.mixed else ""
        parts.append(f"{name} {version}{also}")
    return _counted(parts)


def _cells(findings: tuple[Finding, ...] | None) -> str:
    if findings is None:
        return ""
    return _counted([str(finding) for finding in findings], "; ") or "as written, run from the top"


def _counted(parts: Sequence[str], joint: str = ", ") -> str:
    more = len(parts) - NAMED
    return joint.join([*parts[:NAMED], *([f"{more} more"] if more > 0 else [])])


def text(sign: Sign) -> str:
    """The sign as lines of plain text."""
    lines = [f"fin-kedro: {headline(sign)}"]
    return "\n".join(lines + [f"  {name:<12}{words}" for name, words in rows(sign)])


def html(sign: Sign) -> str:
    """The sign as one HTML element with its style in it; no script, nothing from elsewhere."""
    cells = "".join(
        f'<span style="opacity:.65">{name}</span><span>{markup.escape(words)}</span>'
        for name, words in rows(sign)
    )
    return (
        '<div class="fin-kedro-sign" style="font-family:var(--jp-ui-font-family,sans-serif);'
        "font-size:var(--jp-ui-font-size1,13px);line-height:1.5;padding:6px 12px;margin:2px 0;"
        "color:var(--jp-ui-font-color1,inherit);background:var(--jp-layout-color2,transparent);"
        f'border-left:4px solid {COLOURS[sign.state]};border-radius:3px">'
        f"<b>fin-kedro: {markup.escape(headline(sign))}</b>"
        '<div style="display:grid;grid-template-columns:max-content 1fr;column-gap:12px">'
        f"{cells}</div></div>"
    )


def fingerprint(sign: Sign) -> dict[str, Any]:
    """What a notebook keeps of its kernel in `language_info.fin_kedro`; no path of a machine."""
    return {
        "sealed": sign.sealed,
        "refused": sign.refused,
        "lock": sign.environment.lock_sha256,
        "environment": sign.environment.distributions_sha256,
        "differs": [str(problem) for problem in sign.environment.problems],
        "conditions": dict(sign.departures),
        "commit": sign.code.commit,
        "dirty": sign.code.dirty,
        "data": {name: _inside(entry) for name, entry in sign.read.items()},
        "saved": {name: _inside(entry) for name, entry in sign.saved.items()},
        "cells": None if sign.findings is None else [str(finding) for finding in sign.findings],
        "executions": [[e.source, e.count, e.cell] for e in sign.executions],
    }


def _inside(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a dataset, without a path that leads out of the project."""
    away = PurePath(entry.get("path") or "").is_absolute()
    return {**entry, "path": None} if away else dict(entry)
