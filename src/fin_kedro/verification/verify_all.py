"""Verifies every notebook of the repository and the last runs; a table, and a badge for a page.

A notebook that has no sealed execution yet is executed sealed, in one scratch copy of the tree,
and then again in another one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config
from fin_kedro.seals.seal import check_seal, list_seals, read_seal
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from fin_kedro.verification import rerun
from fin_kedro.verification.comparison import NONE, Comparison, Rules, compare_notebooks
from fin_kedro.verification.conditions import World, variables
from fin_kedro.verification.inputs import bring_raw
from fin_kedro.verification.verify import (
    Sealed,
    Verification,
    Verifier,
    VerifyError,
    first_words,
    open_sealed,
    project_rules,
)
from fin_kedro.verification.worktree import NOW, checkout

FOLDERS = ("notebooks", "nbs_ci")
REPORTS = "notebooks/validation"  # executed and verified as a node of a run
CELL_SECONDS = 900
COLOURS = {"A": "#2e7d32", "B": "#7cb342", "C": "#f9a825", "D": "#c62828", NONE: "#757575"}
UNREADABLE = (OSError, ValueError, KeyError, TypeError)  # what a torn or foreign seal raises
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what was verified, its grade, what departs and why.

    ``steps``: of a run, the nodes whose outputs were compared.
    """

    kind: str
    subject: str
    grade: str
    holds: bool
    outputs: int = 0
    identical: int = 0
    what: str = ""
    cause: str = ""
    seconds: float = 0.0
    steps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The line as plain JSON."""
        return {**vars(self), "seconds": round(self.seconds, 1)}


def verify_all(
    project: Path,
    *,
    world: World | None = None,
    env: str | None = None,
    at_least: str | None = None,
    only: Sequence[str] = (),
    workers: int = 2,
    causes: bool = True,
    say: Say = lambda _: None,
) -> list[Row]:
    """Verify the last run of each selection in `env`, and every notebook; runs first.

    What cannot be verified (an unreadable seal, a report that no run made) has a row `none`.

    Args:
        project: its folder.
        world: conditions of the second execution (threads, python); as sealed by default.
        env: conf environment of the runs.
        at_least: the grade that holds; as `verification.yml` says by default.
        only: patterns of notebooks' paths or pipelines' names; everything without.
        workers: notebooks executed at a time.
        causes: look for the cause of what is not identical.
        say: told what is going on.
    """
    world, rules = world or World(), project_rules(project, env).asking(at_least)
    found, unreadable = last_runs(project, env)
    chosen = {path: content for path, content in found.items() if _wanted(content, only)}
    runs = {p: _run_row(project, p, world, rules, causes, say) for p in chosen}
    rows = [*map(_unreadable_row, unreadable.items()), *runs.values()]
    rows += _reports(project, only, {p: (chosen[p], row) for p, row in runs.items()})
    notebooks = [n for n in repository_notebooks(project) if _fits(n, only)]
    return rows + verify_notebooks(
        project, notebooks, world=world, rules=rules, workers=workers, causes=causes, say=say
    )


def last_runs(
    project: Path, env: str | None
) -> tuple[dict[Path, Mapping[str, Any]], dict[Path, str]]:
    """The newest completed run of each selection, and seals that cannot be read with the reason.

    Runs are given by the path of their seal, with its content.
    """
    newest: dict[str, Path] = {}
    found, unreadable = {}, {}
    for path in list_seals(project, env):
        try:
            seal = read_seal(path)
            check_seal(seal)
        except UNREADABLE as error:
            unreadable[path] = _words(error)
            continue
        content = seal["content"]
        subject = json.dumps(content["subject"], sort_keys=True)
        if content["outcome"] == "completed" and newest.setdefault(subject, path) == path:
            found[path] = content
    return found, unreadable


def _words(error: Exception) -> str:
    """An error as a person reads it; a bare key says nothing without its kind."""
    return str(error) if isinstance(error, RuntimeError | ValueError | OSError) else repr(error)


def _unreadable_row(entry: tuple[Path, str]) -> Row:
    path, words = entry
    what = f"{words.rstrip('.')}. MLflow has a copy (artifact seal.json); or remove the folder"
    return Row(kind="run", subject=path.parent.name, grade=NONE, holds=False, what=what)


def _wanted(content: Mapping[str, Any], only: Sequence[str]) -> bool:
    """Whether a run is asked for, by a pipeline's name or by a report that it executed."""
    return any(
        _fits(n, only) for n in (*content["subject"]["pipelines"], *content["code"]["notebooks"])
    )


def _fits(name: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatchcase(name, pattern) for pattern in only)


def repository_notebooks(project: Path) -> list[str]:
    """Paths of the notebooks that run by themselves; reports need a run's evidence."""
    found = [
        path.relative_to(project).as_posix()
        for folder in FOLDERS
        for path in sorted((project / folder).rglob("*.ipynb"))
        if not any(part.startswith(".") for part in path.relative_to(project).parts)
    ]
    return [name for name in found if not name.startswith(f"{REPORTS}/")]


def _run_row(project: Path, path: Path, world: World, rules: Rules, causes: bool, say: Say) -> Row:
    began, subject = time.perf_counter(), path.parent.name
    try:
        sealed = open_sealed(project, str(path))
        subject = sealed.subject
        with Verifier(sealed, world, rules=rules, say=say) as verifier:
            return _row("run", verifier.verify(causes=causes))
    except (RuntimeError, *UNREADABLE) as error:
        return Row(
            kind="run",
            subject=subject,
            grade=NONE,
            holds=False,
            what=_words(error),
            seconds=time.perf_counter() - began,
        )


def _row(kind: str, found: Verification) -> Row:
    comparison = found.comparison
    return Row(
        kind=kind,
        subject=found.subject,
        grade=found.grade,
        holds=found.holds,
        outputs=len(comparison.outputs),
        identical=len(comparison.outputs) - len(comparison.departing),
        what=first_words(comparison.decisive),
        cause=found.cause.sentence if found.cause else "",
        seconds=found.seconds,
        steps=tuple(dict.fromkeys(output.step for output in comparison.outputs)),
    )


def _reports(
    project: Path, only: Sequence[str], runs: Mapping[Path, tuple[Mapping[str, Any], Row]]
) -> list[Row]:
    """Notebooks of reports: runs execute and seal them; the worst of these is their grade."""
    by_notebook: dict[str, Row] = {}
    for content, row in runs.values():
        for name in content["code"]["notebooks"]:
            before = by_notebook.setdefault(name, row)
            by_notebook[name] = max(before, row, key=lambda one: one.grade)
    paths = sorted((project / REPORTS).glob("*.ipynb"))
    names = [path.relative_to(project).as_posix() for path in paths]
    return [_report_row(name, by_notebook.get(name)) for name in names if _fits(name, only)]


def _report_row(name: str, run: Row | None) -> Row:
    if run is None:
        what = "no run that is verified here executed it: kedro run"
        return Row(kind="report", subject=name, grade=NONE, holds=False, what=what)
    what = f"in the run of {run.subject}"
    return Row(kind="report", subject=name, grade=run.grade, holds=run.holds, what=what)


# Notebooks


def verify_notebooks(
    project: Path,
    notebooks: Sequence[str],
    *,
    world: World,
    rules: Rules,
    workers: int,
    causes: bool = True,
    say: Say = lambda _: None,
) -> list[Row]:
    """Grade notebooks: each against its sealed execution, which is made where there is none."""
    if not notebooks:
        return []
    kept = data_folder(project) / "08_reporting/verify/notebooks"
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(checkout(project, {}, revision=NOW)).path for _ in range(2)
        )
        for tree in (first, second):
            bring_raw(project, tree)
        errors: dict[str, str] = {}
        missing = [n for n in notebooks if not _is_current(kept / n, first / n)]
        if missing:
            say(f"executing {len(missing)} notebooks sealed, {workers} at a time")
            done = execute_notebooks(first, missing, kept, world=World(), workers=workers, say=say)
            errors |= done["errors"]
        say(f"executing {len(notebooks)} notebooks again")
        again = second.parent / "executed"
        done = execute_notebooks(second, notebooks, again, world=world, workers=workers, say=say)
        errors |= done["errors"]
        return [
            _failed_row(n, errors[n])
            if n in errors
            else _notebook_row(
                project, n, kept, again, world, rules, done["seconds"].get(n, 0.0), causes, say
            )
            for n in notebooks
        ]


def _failed_row(name: str, error: str) -> Row:
    return Row(kind="notebook", subject=name, grade=NONE, holds=False, what=error)


def _is_current(kept: Path, notebook: Path) -> bool:
    """Whether the kept execution came to its end, is as it was sealed, and of the code as it is."""
    try:
        seal = read_seal(kept)
        check_seal(seal)
        outputs = json_hash(canonical_outputs(kept))
    except UNREADABLE:
        return False
    content = seal["content"]
    sound = content["outcome"] == "completed" and content["data"]["written"]["outputs"] == outputs
    return sound and _is_of(content["code"], notebook) and _tags(notebook) == _tags(kept)


def _is_of(code: Mapping[str, Any], notebook: Path) -> bool:
    """Whether sealed code is that of a notebook and of the modules it imports."""
    from fin_kedro.seals.modules import Sources, notebook_hash

    project = notebook
    while not (project / "pyproject.toml").is_file():
        project = project.parent
    modules = Sources(project / "src").notebook_closure(notebook)
    same = notebook_hash(notebook) in code.get("notebooks", {}).values()
    return same and all(code["modules"].get(m) == h for m, h in modules.items())


def _tags(notebook: Path) -> list[tuple[Any, Any]]:
    """Cells with their tags: which of them are compared is one of those."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(c.get("id"), tags) for c in cells if (tags := c["metadata"].get("tags"))]


def execute_notebooks(
    tree: Path,
    notebooks: Sequence[str],
    target: Path,
    *,
    world: World,
    workers: int,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Execute notebooks of a checkout, sealed, in a process of their own; results under `target`.

    Returns ``{"errors": {notebook: words}, "seconds": {notebook: seconds}}``. `say` is told of each
    as it ends. Raises VerifyError when that process ends without having executed them.
    """
    files = {n: tree.parent / n for n in ("spec.json", "log.txt", "progress.txt", "result.json")}
    spec = {
        "kind": "notebooks",
        "notebooks": list(notebooks),
        "target": str(target),
        "workers": workers,
        "timeout": CELL_SECONDS,
        "progress": str(files["progress.txt"]),
        "result": str(files["result.json"]),
    }
    files["spec.json"].write_text(json.dumps(spec), encoding="utf-8")
    files["progress.txt"].touch()
    command = [str(world.python or sys.executable), "-P", rerun.__file__, str(files["spec.json"])]
    with files["log.txt"].open("w", encoding="utf-8") as out:
        code = _watched(
            subprocess.Popen(
                command,
                cwd=tree,
                env=variables(world, tree, {}),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            ),
            files["progress.txt"],
            say,
        )
    if code:
        lines = files["log.txt"].read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise VerifyError("notebooks could not be executed:\n" + "\n".join(lines[-12:]))
    result = json.loads(files["result.json"].read_text(encoding="utf-8"))
    return {"errors": result["errors"], "seconds": result["seconds"]}


def _watched(process: subprocess.Popen[bytes], progress: Path, say: Say) -> int:
    """Wait for a process, and pass on each line that it writes into a file; its exit status.

    A file, not a pipe: whatever the process leaves behind could hold a pipe open.
    """
    with process, progress.open(encoding="utf-8") as lines:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
                for line in lines:
                    say(f"  {line.rstrip()}")
                if process.returncode is not None:
                    return process.returncode
        except BaseException:
            process.kill()
            raise


def _notebook_row(
    project: Path,
    name: str,
    kept: Path,
    again: Path,
    world: World,
    rules: Rules,
    seconds: float,
    causes: bool,
    say: Say,
) -> Row:
    for path in (kept / name, again / name):
        if problem := _problem(path):
            return Row(kind="notebook", subject=name, grade="D", holds=False, what=problem)
    one, other = (read_seal(path) for path in (kept / name, again / name))
    comparison = compare_notebooks(
        one["content"],
        other["content"],
        stored=kept / name,
        made=again / name,
        rules=rules,
        name=name,
    )
    asked = causes and comparison.grade != "A"
    cause = "" if not asked else _notebook_cause(project, kept / name, world, say)
    return Row(
        kind="notebook",
        subject=name,
        grade=comparison.grade,
        holds=rules.accepts(comparison.grade),
        outputs=len(comparison.outputs),
        identical=len(comparison.outputs) - len(comparison.departing),
        what=_first(comparison),
        cause=cause,
        seconds=seconds,
    )


def _first(comparison: Comparison) -> str:
    return first_words(comparison.decisive)


def _problem(path: Path) -> str:
    """Why an execution cannot be compared; "" when it can."""
    if not path.is_file():
        return "it was not executed"
    try:
        seal = read_seal(path)
    except ValueError as error:
        return str(error)
    return "" if seal["content"]["outcome"] == "completed" else "it failed"


def _notebook_cause(project: Path, path: Path, world: World, say: Say) -> str:
    """The cause of a departure, by executions of this notebook alone."""
    try:
        sealed = Sealed(project=project, path=path, seal=read_seal(path))
        with Verifier(sealed, World(**{**vars(world), "code": NOW}), say=say) as verifier:
            found = verifier.verify()
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        return f"not found: {error}"
    if found.grade == "A":
        return "chance: a third execution gave the sealed outputs again"
    return found.cause.sentence if found.cause else ""


# The table and the badge


def print_table(rows: Sequence[Row]) -> None:
    """Print one line a notebook or run, and the sum."""
    from rich.console import Console
    from rich.table import Table

    columns = ("grade", "kind", "subject", "identical", "s", "what departs, and why")
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        counted = f"{row.identical}/{row.outputs}" if row.outputs else ""
        seconds = f"{row.seconds:.0f}" if row.seconds else ""
        words = "; ".join(part for part in (row.what, row.cause) if part)
        table.add_row(row.grade, row.kind, row.subject, counted, seconds, words)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print(f"{badge_words(rows)}.")


def badge_words(rows: Sequence[Row]) -> str:
    """How many of each grade, in a few words."""
    counts = Counter(row.grade for row in rows)
    if not counts:
        return "nothing to verify"
    return ", ".join(f"{counts[g]} {g}" for g in (*"ABCD", NONE) if counts[g])


def data_folder(project: Path, env: str | None = None) -> Path:
    """The folder that conf's globals name for data."""
    return project / str(project_config(project, env)["globals"].get("data", "data"))


def write_badge(rows: Sequence[Row], project: Path, env: str | None = None) -> Path:
    """Write `08_reporting/verify/badge.svg` and `verify.json`; the badge's path.

    Equal grades give equal bytes: no date, no random id.
    """
    folder = data_folder(project, env) / "08_reporting/verify"
    folder.mkdir(parents=True, exist_ok=True)
    grades = [row.grade for row in rows]
    shown = NONE if not grades or NONE in grades else max(grades)
    words = badge_words(rows)
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
