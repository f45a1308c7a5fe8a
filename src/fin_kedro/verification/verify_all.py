"""Verifies the last runs and every notebook of the repository: the rows of one table."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal import check_seal, is_release, list_seals, read_seal
from fin_kedro.verification.comparison import NONE, Rules
from fin_kedro.verification.conditions import World
from fin_kedro.verification.grading import project_rules
from fin_kedro.verification.notebooks import REPORTS, repository_notebooks, verify_notebooks
from fin_kedro.verification.outcome import Verification
from fin_kedro.verification.process import Say
from fin_kedro.verification.sealed_run import UNREADABLE, open_sealed
from fin_kedro.verification.table import Row, compared
from fin_kedro.verification.verify import Verifier


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
    unreadable = {
        path: words for path, words in unreadable.items() if _fits(path.parent.name, only)
    }
    for path in [path for path, content in found.items() if is_release(content)]:
        say(f"skipped: {path.parent.name}, a release; what it made stands in the ledger")
        del found[path]
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


def _run_row(project: Path, path: Path, world: World, rules: Rules, causes: bool, say: Say) -> Row:
    began, subject = time.perf_counter(), path.parent.name
    try:
        sealed = open_sealed(project, str(path))
        subject = sealed.subject
        with Verifier(sealed, world, rules=rules, say=say) as verifier:
            return _row(verifier.verify(causes=causes))
    except (RuntimeError, *UNREADABLE) as error:
        return Row(
            kind="run",
            subject=subject,
            grade=NONE,
            holds=False,
            what=_words(error),
            seconds=time.perf_counter() - began,
        )


def _row(found: Verification) -> Row:
    return Row(
        kind="run",
        subject=found.subject,
        holds=found.holds,
        cause=found.cause.sentence if found.cause else "",
        seconds=found.seconds,
        steps=tuple(dict.fromkeys(output.step for output in found.comparison.outputs)),
        **compared(found.comparison),
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
