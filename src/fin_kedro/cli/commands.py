"""The project's commands beside Kedro's, in one group."""

from __future__ import annotations

import click
from kedro.framework.cli import jupyter as kedro_jupyter
from kedro.framework.cli import project as kedro_project

from fin_kedro.cli.changes import diff, status
from fin_kedro.cli.contract import contract_group
from fin_kedro.cli.models import approve, models, release, score
from fin_kedro.cli.notebooks import notebooks_group
from fin_kedro.cli.parameters import parameters
from fin_kedro.cli.run import run_command
from fin_kedro.cli.seals import seal_group
from fin_kedro.cli.state import state_group
from fin_kedro.cli.verify import verify_command
from fin_kedro.cli.versions import versions
from fin_kedro.cli.workflow import workflow_group
from fin_kedro.reports.notebook_command import run_notebook


@click.group(name="fin_kedro")
def cli() -> None:
    """This project's own commands lead from a run to a decision, and back to its evidence."""


def _tidy_kedros_list() -> None:
    """Make `kedro --help` list each command once, and no line of it end in "...".

    Kedro lists its own `run` below ours, although ours is the one that answers; and the first
    sentences of two of its commands are longer than a line of 80 columns.
    """
    kedro_project.run.hidden = True
    kedro_project.package.short_help = "Package the project as a Python wheel, its conf beside it."
    kedro_jupyter.jupyter.short_help = "Open Jupyter with the project's variables loaded."


notebooks_group.add_command(run_notebook)
for command in (
    *(contract_group, notebooks_group, seal_group, state_group, workflow_group),
    *(run_command, parameters, status, diff, verify_command, versions),
    *(approve, release, models, score),
):
    cli.add_command(command)
_tidy_kedros_list()
