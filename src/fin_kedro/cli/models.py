"""`kedro approve`, `release`, `models` and `score`: from a candidate to a decision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder


@click.command()
@click.argument("workflow")
@click.option("--by", required=True, help="who approves; not the person who trained it")
@click.option("--role", required=True, help="in which role (policy.yml lists them)")
@click.option("--comment", required=True, help="what was looked at, and why it is approved")
@click.option("--version", default=None, help="registered version (default: the newest validated)")
@env_choice
@plain_errors
def approve(
    workflow: str, by: str, role: str, comment: str, version: str | None, env: str | None
) -> None:
    """Approve a validated model version, as a second person.

    Whoever trained it cannot approve it. The approval names the report that it rests on.
    """
    from fin_kedro.governance import anchors, approval, registry
    from fin_kedro.project.policy import policy_of

    config = _config(env)
    ledger = _ledger(config, workflow)
    state, entry = approval.approve(
        ledger=ledger, workflow=workflow, version=version, by=by, role=role, comment=comment,
        policy=config["policy"]["approval"],
        under=approval.conditions(env, policy_of(config["policy"], workflow)["gates"]),
    )  # fmt: skip
    _use_registry(config)
    tags = {"state": "approved", "approved_by": by.strip(), "approval": entry.hash}
    tags |= anchors.tag_of({ledger.path: entry.head})
    registry.tag_version(workflow, state.version, tags, alias="approved")
    click.echo(
        f"{workflow} {state.version} approved by {by.strip()} ({role}); ledger entry "
        f"{entry.number}, {entry.hash[:12]}\nNext: kedro release {workflow}{_env_option(env)}"
    )


@click.command()
@click.argument("workflow", metavar="WORKFLOW | check")
@click.argument("bento", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--version", default=None, help="approved version (default: the newest approved)")
@env_choice
@plain_errors
def release(workflow: str, bento: Path | None, version: str | None, env: str | None) -> None:
    """Build the service of an approved model version.

    The service is a bento, a folder that BentoML serves. No version is built without an approval.
    `kedro release check BENTO` computes the digest of all files of a bento anew, and says which
    release in the ledger has it.
    """
    if workflow == "check" or bento is not None:
        _check_release(workflow, bento, env)
        return
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    project = project_folder()
    _ledger(_config(env), workflow)
    bootstrap_project(project)
    params = {workflow: {"release": {"version": version}}} if version else {}
    with KedroSession.create(project_path=project, env=env, runtime_params=params) as session:
        result = session.run(pipeline_names=[f"{workflow}_release"])  # type: ignore[call-arg]
    facts = result[f"{workflow}.release"].load()
    click.echo(
        f"{workflow} {facts['version']} (digest {facts['digest'][:12]}, approved by "
        f"{facts['approved_by']}) is the bento {facts['tag']}\nNext, serve it on 127.0.0.1:3000:\n"
        f"  {facts['command']}"
    )


def _check_release(word: str, bento: Path | None, env: str | None) -> None:
    from fin_kedro.governance.ledger import Ledger
    from fin_kedro.serving.release_check import check_bento

    if word != "check" or bento is None:
        raise ValueError(
            "write `kedro release WORKFLOW` to build, or `kedro release check BENTO` with the "
            "folder of a bento."
        )
    ledgers = {str(p["release"]["ledger"]) for p in _workflows(_config(env)).values()}
    if len(ledgers) != 1:
        raise ValueError(f"--env names {len(ledgers)} ledgers; one is needed.")
    click.echo(check_bento(bento, Ledger(ledgers.pop())))


@click.command()
@click.option("--workflow", default=None, help="only this workflow")
@env_choice
@plain_errors
def models(workflow: str | None, env: str | None) -> None:
    """List the registered model versions and their states.

    Says since when, by whom, and whose key signed the entry in the ledger.
    """
    from rich.console import Console
    from rich.table import Table

    from fin_kedro.governance.ledger import Ledger
    from fin_kedro.governance.registry import model_states

    ledgers = {str(p["release"]["ledger"]) for p in _workflows(_config(env)).values()}
    columns = ("workflow", "version", "env", "state", "since (UTC)", "by", "digest", "signed by")
    table = Table(*columns, box=None, header_style="bold")
    for path in sorted(ledgers):
        ledger = Ledger(path)
        ledger.verify()
        for state in model_states(ledger):
            if workflow in (None, state.workflow):
                table.add_row(
                    state.workflow,
                    state.version,
                    state.env,
                    state.state,
                    state.since[:19],
                    state.by,
                    state.digest[:12],
                    ledger.signed_by(state.entry),
                )
    if not table.rows:
        click.echo(f"No model is registered yet. `kedro run{_env_option(env)}` makes a candidate.")
        return
    Console(width=None if sys.stdout.isatty() else 110).print(table)


@click.command()
@click.argument("workflow")
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="of the service")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), help="JSON request, else an example"
)
@plain_errors
def score(workflow: str, url: str, path: Path | None) -> None:
    """Ask a running service for a decision.

    Without --file it is asked about the example of its contract.
    """
    import json

    request = path.read_bytes() if path else json.dumps(_example(workflow, url)).encode()
    click.echo(json.dumps(_asked(workflow, f"{url}/score", request), indent=2))


def _example(workflow: str, url: str) -> dict[str, Any]:
    """Return a request with one row: the example that the service's own description gives."""
    described = _asked(workflow, f"{url}/openapi.json")
    body = described["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    schemas = {
        f"#/components/schemas/{k}": v for k, v in described["components"]["schemas"].items()
    }
    members = schemas[body["schema"]["$ref"]]["properties"].items()
    rows, row = next((name, m["items"]["$ref"]) for name, m in members if "items" in m)
    return {rows: [schemas[row]["example"]]}


def _asked(workflow: str, url: str, request: bytes | None = None) -> Any:
    """Return what a service answers, as JSON; its refusals and its absence are errors."""
    import json
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(url, data=request, headers=headers)  # noqa: S310 (caller's own)
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        raise ValueError(json.dumps(json.loads(refusal.read()), indent=2)) from refusal
    except urllib.error.URLError as error:
        raise FileNotFoundError(
            f"no service answers at {url} ({error.reason}); start it with the command that "
            f"`kedro release {workflow}` prints, or name another with --url."
        ) from error


def _env_option(env: str | None) -> str:
    from fin_kedro.project.summary import env_option

    return env_option(env)


def _config(env: str | None) -> Any:
    from fin_kedro.project.config import project_config

    return project_config(project_folder(), env)


def _workflows(config: Any) -> dict[str, Any]:
    """The parameters of each workflow that is declared."""
    parameters = config["parameters"]
    return {workflow.name: parameters[workflow.name] for workflow in config.workflows}


def _ledger(config: Any, workflow: str) -> Any:
    from fin_kedro.governance.ledger import Ledger

    known = _workflows(config)
    if workflow not in known:
        raise ValueError(f"no workflow {workflow!r}; there are: {', '.join(known) or 'none'}.")
    return Ledger(known[workflow]["release"]["ledger"])


def _use_registry(config: Any) -> None:
    import mlflow

    from fin_kedro.storage.mlflow_tables import prepare_tables

    prepare_tables(config["mlflow"])
    mlflow.set_tracking_uri(config["mlflow"]["server"]["mlflow_tracking_uri"])
