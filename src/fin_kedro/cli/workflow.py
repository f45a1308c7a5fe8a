"""`kedro workflow`: all conf of a new workflow, in one go."""

from __future__ import annotations

from pathlib import Path

import click

from fin_kedro.project.commands import plain_errors, project_folder

__all__ = ["workflow_group"]

_FILE = click.Path(path_type=Path)


@click.group(name="workflow")
def workflow_group() -> None:
    """Begin a workflow of your own."""


@workflow_group.command()
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["static", "event_time"]), required=True,
    help="rows that stand for themselves, or events with a history",
)  # fmt: skip
@click.option("--env", "-e", required=True, help="conf environment; made where it is not there")
@click.option(
    "--contract", "contracts", type=_FILE, multiple=True,
    help="of event_time twice: transactions, labels",
)  # fmt: skip
@click.option("--file", "files", type=_FILE, multiple=True, help="raw data; of event_time twice")
@plain_errors
def new(
    name: str, kind: str, env: str, contracts: tuple[Path, ...], files: tuple[Path, ...]
) -> None:
    """Write all conf that workflow NAME needs.

    Nothing is copied by hand and no Python changes. A static workflow with a file and no contract
    gets a drafted one; with neither it gets one to begin with, which runs.
    """
    from fin_kedro.drafting.new import write_new

    written = write_new(project_folder(), name, kind, env, contracts, files)
    for file in written.files:
        click.echo(f"wrote     {file}")
    for raw, there in written.raw.items():
        click.echo(f"raw       {raw}{'' if there else ' (not there yet)'}")
    steps = [
        f"kedro contract check {name} --env {env}",
        f"kedro run --env {env} --pipelines {name}",
    ]
    if not all(written.raw.values()):
        steps.insert(
            0, f"kedro contract sample {name} --rows 5000 --env {env}   # or your own rows"
        )
    click.echo(f"Next: answer {written.questions} questions (grep -n QUESTION -r conf/{env}), then")
    for step in steps:
        click.echo(f"  {step}")
