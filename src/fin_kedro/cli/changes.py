"""What has changed: `kedro status` since outputs were made, `kedro diff` between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import _split_params, split_node_names, split_string

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

COLOURS = {
    "fresh": "green",
    "stale": "red",
    "missing": "red",
    "unknown": "yellow",
    "downstream": "yellow",
}


@click.command()
@env_choice
@click.option("--pipelines", default="", callback=split_string, help="only these, by commas")
@click.option(
    "--tags", "-t", default="", callback=split_string, help="only nodes with one of these"
)
@click.option("--namespaces", "-ns", default="", callback=split_node_names, help="only these")
@click.option(
    "--params",
    type=click.UNPROCESSED,
    default="",
    callback=_split_params,
    help="as a run would be given them: name=value,other.name=value",
)
@click.option("--json", "as_json", is_flag=True, help="print JSON for programs")
@plain_errors
def status(as_json: bool, env: str | None, params: dict[str, Any], **selection: Any) -> None:
    """Say which nodes and reports are out of date, and why.

    One is out of date when its code, data or parameters have changed since it was made.
    """
    import json

    from fin_kedro.changes import status as words

    judge = words.open_judge(env=env, selection=selection, runtime_params=params)
    states = judge.states()
    reports = words.report_states(judge, states) | words.notebook_states(judge)
    if as_json:
        click.echo(json.dumps(words.as_json(states, reports), indent=1, default=str))
        return
    for line in words.status_lines(states, reports, _options(env, selection, params)):
        click.echo(_coloured(line))


@click.command()
@click.argument("first")
@click.argument("second", default="latest")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write the whole comparison to this HTML page",
)
@env_choice
@plain_errors
def diff(first: str, second: str, target: Path | None, env: str | None) -> None:
    """Say what differs between two runs.

    FIRST is the earlier run, SECOND the later one (default: latest). A run is named
    by its id, the beginning of one, latest (no release counts), latest:WORKFLOW, or a path of its
    seal, its executed notebook or its report.
    """
    from fin_kedro.changes.difference import compare_runs
    from fin_kedro.seals.seal import find_seal

    project = project_folder()
    found = [find_seal(project, run, env) for run in (first, second)]
    difference = compare_runs(project, *found)
    from fin_kedro.changes.difference_html import render_difference
    from fin_kedro.changes.difference_words import difference_lines

    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render_difference(difference), encoding="utf-8")
    for line in difference_lines(difference):
        click.echo(line)
    click.echo(f"read {target}" if target else "Next: the whole of it with --to FILE.html")


def _coloured(line: str) -> str:
    """A line with its state in the state's colour; click leaves colours out of a pipe."""
    word, rest = line[:10], line[10:]
    colour = COLOURS.get(word.strip())
    return click.style(word, fg=colour) + rest if colour else line


def _options(env: str | None, selection: dict[str, Any], params: dict[str, Any]) -> str:
    """The options of this command as `kedro run` takes them."""
    from fin_kedro.project.summary import env_option

    given = {**selection, "params": [f"{k}={v}" for k, v in _flat(params)]}
    chosen = (f" --{name} {','.join(values)}" for name, values in given.items() if values)
    return env_option(env) + "".join(chosen)


def _flat(params: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Parameters with dotted names."""
    found = []
    for key, value in params.items():
        name = f"{above}{key}"
        found += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return found
