"""Every notebook of the repository, executed sealed in scratch copies of the tree, and graded.

One that has no sealed execution yet is executed sealed first, and then again in another copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal import read_seal
from fin_kedro.verification.comparison import NONE, Rules, compare_notebooks
from fin_kedro.verification.conditions import World
from fin_kedro.verification.inputs import bring_raw
from fin_kedro.verification.kept_notebook import is_current
from fin_kedro.verification.process import CELL_SECONDS, Say, run_notebooks
from fin_kedro.verification.results import results_folder
from fin_kedro.verification.sealed_run import Sealed
from fin_kedro.verification.table import Row, compared
from fin_kedro.verification.verify import Verifier
from fin_kedro.verification.worktree import NOW, checkout

FOLDERS = ("notebooks", "nbs_ci")
REPORTS = "notebooks/validation"  # executed and verified as a node of a run


def repository_notebooks(project: Path) -> list[str]:
    """Paths of the notebooks that run by themselves; reports need a run's evidence."""
    found = [
        path.relative_to(project).as_posix()
        for folder in FOLDERS
        for path in sorted((project / folder).rglob("*.ipynb"))
        if not any(part.startswith(".") for part in path.relative_to(project).parts)
    ]
    return [name for name in found if not name.startswith(f"{REPORTS}/")]


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
    kept = results_folder(project) / "notebooks"
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(checkout(project, {}, revision=NOW)).path for _ in range(2)
        )
        for tree in (first, second):
            bring_raw(project, tree)
        errors = _keep(first, notebooks, kept, workers, say)
        say(f"executing {len(notebooks)} notebooks again")
        again = second.parent / "executed"
        done = execute_notebooks(second, notebooks, again, world=world, workers=workers, say=say)
        errors |= done["errors"]

        def row(name: str) -> Row:
            if name in errors:
                return _failed_row(name, errors[name])
            both, seconds = (kept / name, again / name), done["seconds"].get(name, 0.0)
            cause = partial(_cause, project, kept / name, world, say) if causes else None
            return _row(name, both, rules, seconds=seconds, find_cause=cause)

        return [row(name) for name in notebooks]


def _keep(
    tree: Path, notebooks: Sequence[str], kept: Path, workers: int, say: Say
) -> dict[str, str]:
    """Execute sealed what has no sound and current execution under `kept`; errors by notebook."""
    missing = [n for n in notebooks if not is_current(kept / n, tree / n)]
    if not missing:
        return {}
    say(f"executing {len(missing)} notebooks sealed, {workers} at a time")
    done = execute_notebooks(tree, missing, kept, world=World(), workers=workers, say=say)
    errors: dict[str, str] = done["errors"]
    return errors


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
    spec = {
        "kind": "notebooks",
        "notebooks": list(notebooks),
        "target": str(target),
        "workers": workers,
        "timeout": CELL_SECONDS,
    }
    return run_notebooks(spec, tree=tree, world=world, say=say)


def _failed_row(name: str, error: str) -> Row:
    return Row(kind="notebook", subject=name, grade=NONE, holds=False, what=error)


def _row(
    name: str,
    both: tuple[Path, Path],
    rules: Rules,
    *,
    seconds: float,
    find_cause: Callable[[], str] | None,
) -> Row:
    """A notebook's line from its kept and its second execution; a cause where one is asked for."""
    for path in both:
        if problem := _problem(path):
            return Row(kind="notebook", subject=name, grade="D", holds=False, what=problem)
    one, other = (read_seal(path)["content"] for path in both)
    kept, again = both
    comparison = compare_notebooks(one, other, stored=kept, made=again, rules=rules, name=name)
    return Row(
        kind="notebook",
        subject=name,
        holds=rules.accepts(comparison.grade),
        cause=find_cause() if find_cause and comparison.grade != "A" else "",
        seconds=seconds,
        **compared(comparison),
    )


def _problem(path: Path) -> str:
    """Why an execution cannot be compared; "" when it can."""
    if not path.is_file():
        return "it was not executed"
    try:
        seal = read_seal(path)
    except ValueError as error:
        return str(error)
    return "" if seal["content"]["outcome"] == "completed" else "it failed"


def _cause(project: Path, path: Path, world: World, say: Say) -> str:
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
