"""`kedro parameters`: what is in force, where it stands, and what would be allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder


@click.command()
@click.argument("name", default="")
@click.option(
    "--page",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write what is allowed to this page, as docs/parameters.md",
)
@env_choice
@plain_errors
def parameters(name: str, target: Path | None, env: str | None) -> None:
    """Check the parameters and policy, and show those below NAME.

    NAME is a workflow or a section of it, such as credit.champion: each value is shown with the
    place where it stands and what is allowed. Without NAME it is only said whether all are allowed.
    """
    project = project_folder()
    if target is not None:
        from fin_kedro.parameters.page import page

        target.write_text(page(project / "conf"), encoding="utf-8")
        click.echo(f"{target} is written")
        return
    from fin_kedro.project.config import project_config
    from fin_kedro.project.summary import env_option

    config = project_config(project, env)
    content, _ = config["parameters"], config["policy"]
    shown = list(_shown(config, content, name)) if name else []
    for line in shown:
        click.echo(line)
    if name:
        return
    for workflow in config.workflows:
        click.echo(f"{workflow}: {_count(content[workflow.name])} values, each known and allowed")
    if config.workflows:
        first = config.workflows[0].name
        click.echo(f"Next: kedro parameters {first}.champion{env_option(env)}")


def _shown(config: Any, content: Mapping[str, Any], name: str) -> Iterator[str]:
    """A line for each parameter below a name: value, place, and what is allowed.

    Raises:
        ValueError: there is no such workflow, or it has no such parameter.
    """
    from fin_kedro.parameters.page import parameters_of
    from fin_kedro.parameters.places import ConfPlaces, heads_of
    from fin_kedro.parameters.sections import KINDS
    from fin_kedro.parameters.words import meant

    asked, *steps = name.split(".")
    known = {workflow.name: workflow for workflow in config.workflows}
    if asked not in known:
        raise ValueError(
            f"no workflow {asked!r}{meant(asked, known) or '.'} There are: {', '.join(known)}."
        )
    workflow = known[asked]
    places, heads = ConfPlaces(config, "parameters"), heads_of(workflow)
    all_of_it = list(parameters_of(KINDS[workflow.kind]))
    found = [p for p in all_of_it if p.path[: len(steps)] == tuple(steps)]
    if not found:
        last = len(steps) - 1
        above = [p.path for p in all_of_it if p.path[:last] == tuple(steps[:last])]
        beside = {path[last] for path in above if len(path) > last}
        raise ValueError(
            f"no parameter {name!r}{meant(steps[-1], beside) or '.'} "
            f"There are: {', '.join(sorted(beside)) or 'none below it'}."
        )
    for parameter in found:
        named = ".".join((workflow.name, *parameter.path))
        yield f"{named}: {_said(content[workflow.name], parameter.path, places, heads)}"
        yield f"    {parameter.meaning} Allowed: {parameter.allowed}."


def _said(section: Any, path: tuple[str, ...], places: Any, heads: Any) -> str:
    """The value in force, and where it stands."""
    from fin_kedro.parameters.places import is_stated, value_at

    if not is_stated(section, path):
        return "left out"
    return f"{value_at(section, path)!r} ({places.nearest(heads, path)})"


def _count(section: Any) -> int:
    """How many values a section has."""
    return sum(map(_count, section.values())) if isinstance(section, Mapping) and section else 1
