"""`kedro contract`: drafted from a file, held against a file, sampled as rows that nobody has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

if TYPE_CHECKING:
    from fin_kedro.drafting.delivery import Checked

__all__ = ["contract_group"]


@click.group(name="contract")
def contract_group() -> None:
    """Draft a contract, check or sample rows by one."""


@contract_group.command()
@click.argument("file")
@click.option("--workflow", required=True, help="name of the new workflow")
@click.option("--env", "-e", default=None, help="name of the new environment (default: workflow)")
@click.option("--target", default=None, help="the outcome's column (default: guessed)")
@plain_errors
def draft(file: str, workflow: str, env: str | None, target: str | None) -> None:
    """Write a new environment of conf from FILE.

    FILE is CSV, Parquet, or a table of a database, such as duckdb:///folder/x.db::loans. Each guess
    has its reason beside it, and a line `# QUESTION:` where the table cannot tell.
    """
    from fin_kedro.drafting.draft import write_draft

    written = write_draft(project_folder(), file, workflow, env, target)
    env = env or workflow
    found = written.draft
    click.echo(f"read      {found.table.rows:,} rows, {len(found.columns)} columns")
    click.echo(f"raw       {written.raw}")
    for name in written.files:
        click.echo(f"wrote     {name}")
    for role in ("id", "time", "target", "protected", "feature", "ignored"):
        names = [guess.name for guess in found.by_role(role)]
        names += ["the row's number"] if role == "id" and found.numbered else []
        if names:
            click.echo(f"{role:<10}{_listed(names)}")
    for line in _check_lines(written.checked):
        click.echo(f"check     {line}")
    click.echo(
        f"Next: answer {written.questions} questions (grep -n QUESTION -r conf/{env}), then\n"
        f"  kedro contract check {workflow} --env {env}\n"
        f"  kedro run --env {env} --pipelines {workflow}"
    )


@contract_group.command()
@click.argument("name", required=False)
@click.option("--workflow", default=None, help="whose contract, where NAME is a file")
@env_choice
@plain_errors
def check(name: str | None, workflow: str | None, env: str | None) -> None:
    """Say what of the delivered files would be refused.

    NAME is a workflow (default: all that are declared), or a file that was delivered for one. Exit
    status 1: a file would be refused as a whole, or more of its rows than policy allows.
    """
    from fin_kedro.drafting.delivery import check_delivery
    from fin_kedro.drafting.entries import declared_tables

    failed = False
    for table in declared_tables(project_folder(), env, name, workflow):
        click.echo(f"{table.name}: {table.path}, contract {table.contract}")
        checked = check_delivery(table.dataset(), table.entry["contract"])
        for line in _check_lines(checked, table.largest_share):
            click.echo(f"  {line}")
        failed = failed or bool(checked.whole) or checked.share > table.largest_share
    sys.exit(1 if failed else 0)


@contract_group.command()
@click.argument("workflow")
@click.option("--rows", type=int, required=True, help="how many (of events: transactions)")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="the same gives the same bytes"
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None,
    help=".csv or .parquet, of events a folder (default: where a run reads it)",
)  # fmt: skip
@click.option(
    "--shape", type=click.Path(path_type=Path), default=None,
    help="a saved shape (default: learnt from the raw file, if it is there)",
)  # fmt: skip
@env_choice
@plain_errors
def sample(
    workflow: str, rows: int, seed: int, out: Path | None, shape: Path | None, env: str | None
) -> None:
    """Write rows like those of WORKFLOW, none of which is one of them.

    They keep its contract and the shape of its columns. The shape holds figures about ten rows or
    more each; it is saved beside the sample. Without a raw file, the contract alone gives it.
    """
    from fin_kedro.sampling.sample import write_sample

    project = project_folder()
    made = write_sample(
        project, env, workflow, rows=rows, seed=seed, out=out, shape_file=shape
    )  # fmt: skip
    click.echo(f"shape     from {made.source}")
    for path, checked in made.files:
        inside = path.resolve().is_relative_to(project.resolve())
        shown = path.resolve().relative_to(project.resolve()) if inside else path
        click.echo(f"wrote     {shown}")
        for line in _check_lines(checked):
            click.echo(f"check     {line}")
    if made.shape is not None:
        click.echo(f"saved     {made.shape} (figures only; with it no raw file is needed: --shape)")


def _listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _check_lines(checked: Checked, largest_share: float | None = None) -> Iterator[str]:
    """What a check says, line by line."""
    if checked.whole:
        yield f"refused as a whole: {checked.whole}"
        return
    allowed = "" if largest_share is None else f"; policy allows {largest_share:.2%}"
    yield f"{checked.refused:,} of {checked.rows:,} rows refused ({checked.share:.2%}){allowed}"
    for rule in checked.rules:
        example = f", e.g. {rule.example!r}" if rule.example else ""
        said = f"{rule.column}: {rule.rule}{example} ({rule.where})"
        yield f"{rule.rows:>9,} rows  {said}"
