"""`kedro contract`: a contract drafted from a file, and a file held against its contract."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

if TYPE_CHECKING:
    from fin_kedro.drafting.delivery import Checked

__all__ = ["contract_group"]


@click.group(name="contract")
def contract_group() -> None:
    """Draft a contract, or check a file by one."""


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
        names += [found.row_number] if role == "id" and found.row_number else []
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
