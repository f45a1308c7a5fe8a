"""The grades of .ci/verify as one table: every row is there, every grade is A.

    python .ci/grades.py FOLDER PAGE [--write]

FOLDER holds what `kedro verify --all --json` wrote under each condition (COLUMNS). Exit status 1
when something was not verified or is no A, or, with all conditions there, PAGE shows another table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {"same": "again", "threads": "2 threads", "second": "second environment"}
ENV = "ci"  # the environment that .ci/verify runs
BEGIN, END = "<!-- grades: begin -->\n", "<!-- grades: end -->"
Rows = list[dict[str, Any]]


def notebooks(root: Path) -> list[str]:
    """Every notebook that git knows, reports included."""
    command = ["git", "ls-files", "*.ipynb"]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()


def missing(rows: Rows, wanted: list[str]) -> list[str]:
    """Workflows and notebooks that no row speaks of."""
    steps = {
        step.partition(".")[0] for row in rows if row["kind"] == "run" for step in row["steps"]
    }
    named = {row["subject"] for row in rows}
    declared = [workflow.name for workflow in project_config(ROOT, ENV).workflows]
    return [name for name in declared if name not in steps] + [n for n in wanted if n not in named]


def findings(columns: dict[str, Rows], wanted: list[str]) -> list[str]:
    """What is not there, and what is no A, under any condition."""
    found = [
        f"{title}: no row for {n}" for title, rows in columns.items() for n in missing(rows, wanted)
    ]
    return found + [
        f"{title}: {row['grade']} {row['subject']}: {row['what']}"
        for title, rows in columns.items()
        for row in rows
        if row["grade"] != "A"
    ]


def table(columns: dict[str, Rows]) -> str:
    """One row for each run and notebook, one column for each condition."""
    grades = {t: {row["subject"]: row["grade"] for row in rows} for t, rows in columns.items()}
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in next(iter(columns.values())):
        cells = [grades[title].get(row["subject"], "") for title in columns]
        lines.append(f"| {row['kind']} `{row['subject']}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    folder, page = map(Path, arguments[:2])
    files = {title: folder / f"{name}.json" for name, title in COLUMNS.items()}
    columns = {t: json.loads(f.read_text("utf-8")) for t, f in files.items() if f.is_file()}
    found = findings(columns, notebooks(ROOT))
    before, rest = page.read_text("utf-8").split(BEGIN)
    shown, after = rest.split(END)
    if "--write" in arguments:
        page.write_text(before + BEGIN + table(columns) + END + after, "utf-8")
    elif len(columns) == len(COLUMNS) and shown != table(columns):
        found.append(f"{page.name} shows another table. Next: .ci/verify --second-venv --write")
    for line in found:
        print(line)
    grades = [row["grade"] for rows in columns.values() for row in rows]
    print(f"{grades.count('A')} of {len(grades)} grades are A, under {len(columns)} conditions.")
    return 1 if found or not grades else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
