"""The project's commands beside Kedro's, in one group."""

from __future__ import annotations

import click

from fin_kedro.cli.changes import diff, status
from fin_kedro.cli.models import approve, models, release, score
from fin_kedro.cli.notebooks import notebooks_group
from fin_kedro.cli.run import run_command
from fin_kedro.cli.seals import seal_group
from fin_kedro.cli.state import state_group
from fin_kedro.cli.verify import verify_command
from fin_kedro.cli.versions import versions
from fin_kedro.reports.notebook_command import run_notebook


@click.group(name="fin_kedro")
def cli() -> None:
    """Commands of fin_kedro."""


notebooks_group.add_command(run_notebook)
for command in (
    *(notebooks_group, seal_group, state_group),
    *(run_command, status, diff, verify_command, versions),
    *(approve, release, models, score),
):
    cli.add_command(command)
