"""The grades of .ci/verify as a table: every row is there, every grade is A.

    python .ci/grades.py FOLDER PAGE [--write]
    python .ci/grades.py --doubtful FILE

FOLDER holds what `kedro verify --all --json` wrote: everything verified once, and what was no A
then again under single conditions (SINGLES). Exit status 1 when something was not verified or is
no A, or, where the second environment took part, PAGE shows another table. The second form prints
of one such FILE what is no A, as `--only` takes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config

ROOT = Path(__file__).resolve().parents[1]
ENV = "ci"  # the environment that .ci/verify runs
# The condition under which everything is verified: all at once, or without a second environment.
TOGETHER, THREADS = "together", "threads"
COLUMNS = {TOGETHER: "second environment, 2 threads", THREADS: "2 threads"}
# Conditions under which only that is verified which is no A under all of them at once.
SINGLES = {"same": "again", "threads": "2 threads", "second": "second environment"}
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


def doubtful(rows: Rows) -> list[str]:
    """What is no A, as `--only` takes it: notebooks by their path, runs by their pipelines."""
    found = []
    for row in rows:
        if row["grade"] != "A":
            words = row["subject"].partition(" --env")[0].split(", ")
            found += [row["subject"]] if row["kind"] != "run" else words[:1]
    return list(dict.fromkeys(found))


def findings(title: str, rows: Rows, singles: dict[str, Rows], wanted: list[str]) -> list[str]:
    """What is not there, and what is no A, with the grade it has under each condition alone."""
    found = [f"{title}: no row for {name}" for name in missing(rows, wanted)]
    for row in rows:
        if row["grade"] != "A":
            found.append(f"{title}: {_said(row)}")
            found += [
                f"  {single}: {_said(other)}"
                for single, others in singles.items()
                for other in others
                if other["subject"] == row["subject"]
            ]
    return found


def _said(row: dict[str, Any]) -> str:
    words = "; ".join(part for part in (row["what"], row.get("cause", "")) if part)
    return f"{row['grade']} {row['subject']}: {words}"


def table(title: str, rows: Rows) -> str:
    """One row for each run and notebook."""
    lines = [f"| | {title} |", "|---|---|"]
    lines += [f"| {row['kind']} `{row['subject']}` | {row['grade']} |" for row in rows]
    return "\n".join(lines) + "\n"


def read(folder: Path, name: str) -> Rows:
    """What was verified under a condition; nothing where it was not asked."""
    path = folder / f"{name}.json"
    found: Rows = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return found


def main(arguments: list[str]) -> int:
    if arguments[0] == "--doubtful":
        path = Path(arguments[1])
        print("".join(f"{name}\n" for name in doubtful(read(path.parent, path.stem))), end="")
        return 0
    folder, page = map(Path, arguments[:2])
    condition = TOGETHER if (folder / f"{TOGETHER}.json").is_file() else THREADS
    title, rows = COLUMNS[condition], read(folder, condition)
    singles = {t: read(folder, name) for name, t in SINGLES.items() if name != condition}
    found = findings(title, rows, singles, notebooks(ROOT))
    before, rest = page.read_text("utf-8").split(BEGIN)
    shown, after = rest.split(END)
    if "--write" in arguments:
        page.write_text(before + BEGIN + table(title, rows) + END + after, "utf-8")
    elif condition == TOGETHER and shown != table(title, rows):
        found.append(f"{page.name} shows another table. Next: .ci/verify --second-venv --write")
    for line in found:
        print(line)
    grades = [row["grade"] for row in rows]
    print(
        f"{grades.count('A')} of {len(grades)} grades are A: {title}, another process and folder."
    )
    return 1 if found or not grades else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
