"""The badge of `kedro verify --all`, and the table beside it for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fin_kedro.verification.comparison import NONE
from fin_kedro.verification.results import results_folder
from fin_kedro.verification.table import Row, grades_words

COLOURS = {"A": "#2e7d32", "B": "#7cb342", "C": "#f9a825", "D": "#c62828", NONE: "#757575"}


def write_badge(rows: Sequence[Row], project: Path, env: str | None = None) -> Path:
    """Write `08_reporting/verify/badge.svg` and `verify.json`; the badge's path.

    Equal grades give equal bytes: no date, no random id.
    """
    folder = results_folder(project, env)
    folder.mkdir(parents=True, exist_ok=True)
    grades = [row.grade for row in rows]
    shown = NONE if not grades or NONE in grades else max(grades)
    words = grades_words(rows)
    (folder / "badge.svg").write_text(draw_badge("verified", words, shown), encoding="utf-8")
    content: Mapping[str, Any] = {
        "schemaVersion": 1,
        "label": "verified",
        "message": words,
        "color": COLOURS[shown][1:],
        "grade": shown,
        "rows": [row.to_json() for row in rows],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / "verify.json").write_text(text, encoding="utf-8")
    return folder / "badge.svg"


def draw_badge(label: str, message: str, grade: str) -> str:
    """A badge as SVG: a grey label, and a message in the grade's colour."""
    left, right = (int(6.6 * len(text)) + 14 for text in (label, message))
    return "".join(_badge_lines(label, message, left, right, COLOURS[grade]))


def _badge_lines(label: str, message: str, left: int, right: int, colour: str) -> Iterator[str]:
    width = left + right
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
    yield f'aria-label="{label}: {message}">\n<title>{label}: {message}</title>\n'
    yield f'<rect width="{width}" height="20" rx="3" fill="#555"/>\n'
    yield f'<rect x="{left}" width="{right}" height="20" rx="3" fill="{colour}"/>\n'
    yield f'<rect x="{left}" width="4" height="20" fill="{colour}"/>\n'
    yield '<g fill="#fff" text-anchor="middle" font-family="DejaVu Sans,Verdana,sans-serif" '
    yield 'font-size="11">\n'
    yield f'<text x="{left // 2}" y="14">{label}</text>\n'
    yield f'<text x="{left + right // 2}" y="14">{message}</text>\n</g>\n</svg>\n'
