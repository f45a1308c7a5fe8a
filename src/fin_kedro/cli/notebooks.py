"""`kedro notebooks`: export, check, update and clean the notebooks that modules are born in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

__all__ = ["notebooks_group"]


def _readable(command: Callable[..., None]) -> Callable[..., None]:
    """Turn an authoring error into one line and exit status 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from fin_kedro.authoring.project import AuthoringError

        try:
            command(*args, **kwargs)
        except AuthoringError as error:
            raise click.ClickException(str(error)) from None

    return wrapped


@click.group(name="notebooks")
def notebooks_group() -> None:
    """Run, export, check, update and clean notebooks."""


@notebooks_group.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_readable
def export(paths: tuple[Path, ...]) -> None:
    """Write modules; say what changed.

    Takes all notebooks, or PATHS.
    """
    from fin_kedro.authoring.exporting import export_all
    from fin_kedro.authoring.problems import Problem
    from fin_kedro.authoring.project import find_project

    changes = export_all(find_project(), paths)
    problems = [change for change in changes if isinstance(change, Problem)]
    if problems:
        _show(problems)
        click.echo("Nothing was exported.", err=True)
        raise SystemExit(1)
    same = 0
    for change in changes:
        if isinstance(change, Problem) or change.state == "unchanged":
            same += 1
        elif change.state == "orphan":
            click.echo(f"  orphan     {change.module}: {change.notebook}")
            click.echo(f"             remove it: git rm {change.module}")
        else:
            counts = f"+{change.added} -{change.removed}"
            click.echo(f"  {change.state:<9}  {change.module} ({counts}) from {change.notebook}")
    click.echo(f"  unchanged  {same} of {len(changes)} modules")


@notebooks_group.command()
@_readable
def check() -> None:
    """Compare notebooks with their modules.

    Says what is not clean or not in step, and how to mend it; exit status 1 then.
    """
    from fin_kedro.authoring.checking import check_all
    from fin_kedro.authoring.project import find_project, notebook_files

    project = find_project()
    problems = check_all(project)
    if problems:
        _show(problems)
        click.echo(f"{len(problems)} problem(s) with notebooks.", err=True)
        raise SystemExit(1)
    number = len(notebook_files(project.swept()))
    click.echo(f"{number} notebooks are clean and agree with their modules.")


@notebooks_group.command()
@click.argument("module", type=click.Path(path_type=Path))
@_readable
def update(module: Path) -> None:
    """Carry an edit of MODULE to its notebook."""
    from fin_kedro.authoring.carrying_back import update_notebook
    from fin_kedro.authoring.project import find_project

    cells = update_notebook(find_project(), module)
    for label in cells:
        click.echo(f"  changed    {label}")
    if not cells:
        click.echo("  unchanged  the notebook already says what the module says")


@notebooks_group.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_readable
def clean(paths: tuple[Path, ...]) -> None:
    """Take outputs and stray metadata out.

    Takes all notebooks under notebooks/ and nbs_ci/, or PATHS.
    """
    from fin_kedro.authoring.cleaning import clean_all
    from fin_kedro.authoring.project import find_project

    changed = clean_all(find_project(), paths)
    for name in changed:
        click.echo(f"  cleaned    {name}")
    if not changed:
        click.echo("  unchanged  every notebook was clean")


def _show(problems: list[Any]) -> None:
    """Problems on standard error: place, what, difference, mends."""
    for problem in problems:
        click.echo(f"{problem.where}: {problem.what}", err=True)
        if problem.diff:
            click.echo("    - the notebook   + the module", err=True)
        for line in problem.diff:
            click.echo(f"    {line}", err=True)
        for mend in problem.mends:
            click.echo(f"  mend: {mend}", err=True)


if __name__ == "__main__":
    notebooks_group(prog_name="kedro notebooks")
