"""Kedro's own `kedro run`, with ``--stale``: only what would come out differently today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

STALE_HELP = """Run only nodes whose code, data or parameters have changed since their outputs were
made, and those after them as far as something comes out differently (see kedro status)."""
RUNNER = "fin_kedro.changes.stale_runner.StaleRunner"


def _run(stale: bool, **options: Any) -> Any:
    """Run the pipeline, or with ``stale`` what of it is not fresh."""
    if not stale:
        return _kedro(**options)
    if options["only_missing_outputs"]:
        raise click.UsageError(
            "--stale and --only-missing-outputs cannot be used together: missing outputs are "
            "stale, too. Leave --only-missing-outputs out."
        )
    from fin_kedro.changes.staleness import Decider, make_plan
    from fin_kedro.changes.status import stale_lines

    judge = _judge(options)
    plan = make_plan(judge)
    click.echo("\n".join(stale_lines(plan)), err=True)
    if not plan.steps:
        return {}
    return _kedro(**{**options, "node_names": plan.steps, **_runner(options, Decider(judge, plan))})


def _judge(options: Mapping[str, Any]) -> Any:
    """The judge of what Kedro would run with these options; refusals are sentences."""
    from fin_kedro.changes import status

    try:
        return status.open_judge(
            env=options["env"],
            selection=options,
            runtime_params=options["params"],
            conf_source=options["conf_source"],
            load_versions=options["load_versions"],
        )
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error


def _runner(options: Mapping[str, Any], decider: Any) -> dict[str, Any]:
    """The runner that stops early; another one runs the whole plan."""
    if options["runner"] not in (None, "SequentialRunner"):
        return {}
    return {"runner": RUNNER, "runner_params": {**options["runner_params"], "decider": decider}}


def _kedro(**options: Any) -> Any:
    from fin_kedro.parameters.refusals import ParameterError
    from fin_kedro.project.run_locks import RunLockError
    from fin_kedro.project.workflows import WorkflowError

    assert kedro_run.callback is not None
    try:
        return kedro_run.callback(**options)
    except (ParameterError, WorkflowError, RunLockError) as error:
        raise click.ClickException(str(error)) from error


run_command = click.Command(
    name="run",
    callback=_run,
    params=[*kedro_run.params, click.Option(["--stale"], is_flag=True, help=STALE_HELP)],
    help=kedro_run.help,
    short_help="Run the pipelines; with --stale only what is out of date.",
)
