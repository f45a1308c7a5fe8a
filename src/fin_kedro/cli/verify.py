"""`kedro verify`: execute a sealed run again, grade it, and name the cause of what differs."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

if TYPE_CHECKING:
    from fin_kedro.verification.conditions import World
    from fin_kedro.verification.outcome import Verification

FACTORS = ("code", "data", "parameters")
SHOWN = 8


@click.command(name="verify")
@click.argument("run", required=False)
@click.option("--all", "everything", is_flag=True, help="every notebook and the last runs")
@click.option(
    "--with",
    "other",
    multiple=True,
    metavar="FACTOR=VALUE",
    help="code=now or a git revision, data=now, parameters=now: does it still give the same?",
)
@click.option(
    "--threads", type=click.IntRange(min=1), help="of BLAS and OpenMP (default: as sealed)"
)
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="another environment's interpreter",
)
@click.option(
    "--at-least",
    type=click.Choice(["A", "B", "C"]),
    help="the grade that holds (default: at_least of conf/base/verification.yml)",
)
@click.option("--strict", is_flag=True, help="refuse other libraries than were sealed")
@click.option("--no-cause", is_flag=True, help="grade only; do not look for the cause")
@click.option("--keep", is_flag=True, help="keep the scratch checkout, and say where")
@click.option("--json", "target", type=click.Path(path_type=Path), help="write the result there")
@click.option("--only", multiple=True, help="with --all: notebooks or pipelines by pattern")
@click.option("--workers", default=2, show_default=True, help="with --all: notebooks at a time")
@env_choice
@plain_errors
def verify_command(
    run: str | None,
    everything: bool,
    other: tuple[str, ...],
    threads: int | None,
    python: Path | None,
    at_least: str | None,
    strict: bool,
    no_cause: bool,
    keep: bool,
    target: Path | None,
    only: tuple[str, ...],
    workers: int,
    env: str | None,
) -> None:
    """Execute a sealed run again, and compare every output.

    Its grade is A (identical), B (within tolerances), C (same verdicts and decisions) or D
    (differs).

    RUN is a run's id or the beginning of it, `latest` (the last run that is no release),
    `latest:WORKFLOW`, or the path of an executed notebook or a
    report. Exits with 0 from the grade on that --at-least names, else with 1.
    """
    signal.signal(signal.SIGTERM, _stop)
    world = _world(other, threads, python)
    if everything:
        if run:
            raise ValueError(f"--all verifies everything; leave {run!r} out.")
        asked = {"at_least": at_least, "only": only, "workers": workers, "causes": not no_cause}
        holds = _verify_all(world, env, target, asked)
    else:
        if run is None:
            raise ValueError("name a run, `latest`, a notebook or a report; or give --all.")
        if only:
            raise ValueError(f"--only chooses among all; give --all, or leave it out for {run!r}.")
        options = {"at_least": at_least, "keep": keep}
        result = _verify_one(run, world, env, options, strict=strict, causes=not no_cause)
        _print(result)
        if target:
            target.write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
        holds = result.holds
    sys.exit(0 if holds else 1)


def _stop(*_: Any) -> None:
    """A terminated command still removes its scratch checkout."""
    sys.exit(143)


def _world(other: tuple[str, ...], threads: int | None, python: Path | None) -> World:
    from fin_kedro.verification.conditions import World

    asked: dict[str, Any] = {}
    for pair in other:
        factor, _, value = pair.partition("=")
        if factor not in FACTORS or not value:
            raise ValueError(
                f"--with {pair!r} is unknown; write code=now, code=REVISION, data=now or "
                "parameters=now. Threads and environment have options of their own."
            )
        if factor != "code" and value not in ("now", "sealed"):
            raise ValueError(f"--with {pair!r}: {factor} is `sealed` or `now`.")
        asked[factor] = value
    return World(**asked, threads=threads, python=python.absolute() if python else None)


def _verify_one(
    run: str,
    world: World,
    env: str | None,
    options: dict[str, Any],
    *,
    strict: bool,
    causes: bool,
) -> Verification:
    from fin_kedro.verification.conditions import VerifyError
    from fin_kedro.verification.sealed_run import open_sealed
    from fin_kedro.verification.verify import Verifier

    sealed = open_sealed(project_folder(), run, env)
    with Verifier(sealed, world, say=_say, **options) as verifier:
        if strict and not verifier.environment["as_sealed"]:
            raise VerifyError(
                f"{verifier.environment_words()}. Build an environment from the sealed lock and "
                "name it with --python, or leave --strict out."
            )
        return verifier.verify(causes=causes)


def _verify_all(world: World, env: str | None, target: Path | None, asked: dict[str, Any]) -> bool:
    from fin_kedro.verification.badge import write_badge
    from fin_kedro.verification.table import print_table
    from fin_kedro.verification.verify_all import verify_all

    project = project_folder()
    found = verify_all(project, world=world, env=env, say=_say, **asked)
    if not found:
        chosen = (
            f"no notebook or pipeline fits {', '.join(asked['only'])}"
            if asked["only"]
            else ("there is no notebook")
        )
        raise ValueError(
            f"nothing to verify: {chosen}, and no such run is sealed (--env {env or 'local'}). "
            "`kedro seal list` names the runs; --only takes paths and pipelines by pattern."
        )
    print_table(found)
    badge = write_badge(found, project, env)
    click.echo(f"{badge}")
    if target:
        target.write_text(json.dumps([f.to_json() for f in found], indent=1) + "\n", "utf-8")
    return all(f.holds for f in found)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _print(result: Verification) -> None:
    """The grade first, then what departs and why."""
    from fin_kedro.verification.comparison import MEANING
    from fin_kedro.verification.outcome import first_words

    comparison = result.comparison
    outputs, same = comparison.outputs, len(comparison.outputs) - len(comparison.departing)
    colour = "green" if result.holds else "red"
    click.secho(f"{result.grade}  {MEANING[result.grade]}", fg=colour, bold=True, nl=False)
    click.echo(
        f"  {result.subject}, run {result.run}: {same} of {len(outputs)} outputs identical"
        f"{_judgements(result)}; {result.seconds:.0f} s"
    )
    click.echo(f"   environment: {result.environment}")
    if result.world:
        click.echo(f"   instead of what was sealed: {result.world}")
    for note in result.notes:
        click.echo(f"   {note}")
    for output in comparison.departing[:SHOWN]:
        click.echo(f"   {output.grade} {first_words(output)}")
    if len(comparison.departing) > SHOWN:
        click.echo(f"   and {len(comparison.departing) - SHOWN} more outputs (--json FILE has all)")
    _print_cause(result)
    if result.kept:
        click.echo(f"   kept: {result.kept}")


def _judgements(result: Verification) -> str:
    count, changed = result.comparison.judgements, len(result.comparison.changed)
    if not count:
        return ""
    return f", {changed or 'none'} of {count:,} verdicts and decisions changed"


def _print_cause(result: Verification) -> None:
    from fin_kedro.verification.causes import shorten

    cause = result.cause
    if cause is None:
        return
    click.secho(f"   cause: {cause.sentence}", bold=True)
    if cause.details and cause.kind != "output":
        click.echo(f"          {shorten(cause.details)}")
    for swap in cause.swaps:
        factors = " and ".join(swap.factors)
        other = f"only {factors} as in this execution" if factors else "everything as sealed"
        click.echo(f"          tried with {other}: {', '.join(swap.steps)}: {swap.result}")
