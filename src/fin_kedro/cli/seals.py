"""`kedro seal`: list the runs that are sealed, look at a seal, check, compare and export it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder

__all__ = ["seal_group"]


@click.group(name="seal")
def seal_group() -> None:
    """List, show, check, compare and export the seals of runs.

    A seal says what a run read, ran and wrote.

    RUN is a run's id or the beginning of it, `latest` (the last run that is no release),
    `latest:WORKFLOW`, the id of an MLflow run, the beginning of a seal's digest, or the path of a
    seal, an executed notebook or a report.
    """


@seal_group.command("list")
@click.option("--last", default=20, show_default=True, help="how many of the newest")
@env_choice
@plain_errors
def list_command(last: int, env: str | None) -> None:
    """List sealed runs, newest first."""
    from fin_kedro.seals.seal import list_seals, read_seal

    found = list_seals(project_folder(), env)
    for path in found[:last]:
        try:
            click.echo(f"{path.parent.name}  {_listed(read_seal(path))}")
        except (OSError, ValueError, KeyError, TypeError) as error:  # the others are listed
            click.secho(f"{path.parent.name}  cannot be read: {error}", fg="red")
    if not found:
        click.echo("No run is sealed yet. `kedro run` seals each run.")


@seal_group.command()
@click.argument("run", default="latest")
@click.option("--json", "as_json", is_flag=True, help="the whole seal, as it is kept")
@env_choice
@plain_errors
def show(run: str, as_json: bool, env: str | None) -> None:
    """Show what the seal of RUN (default: the latest) says."""
    import json

    from fin_kedro.seals.seal import find_seal, read_seal

    seal = read_seal(find_seal(project_folder(), run, env))
    if as_json:
        click.echo(json.dumps(seal, indent=1, sort_keys=True))
        return
    for name, words in _described(seal):
        click.echo(f"{name:<12} {words}")


@seal_group.command()
@click.argument("run", default="latest")
@click.option(
    "--head", metavar="NUMBER:HASH",
    help="of the ledger, as it was kept elsewhere: finds a ledger whose tail was cut off",
)  # fmt: skip
@env_choice
@plain_errors
def check(run: str, head: str | None, env: str | None) -> None:
    """Compare the seal of RUN with the data and the ledger.

    Computes anew its digests, the hashes of its data on disk, and its ledger entry. The
    whole ledger is verified, chain and signatures.
    """
    from fin_kedro.seals.seal import find_seal
    from fin_kedro.seals.seal_check import check_on_disk
    from fin_kedro.seals.seal_entries import ENTRY

    project = project_folder()
    path = find_seal(project, run, env)
    findings = check_on_disk(path, project=project, env=env, head=head)
    for finding in findings:
        colour = {"differs": "red", "gone": "yellow"}.get(finding.verdict)
        click.secho(f"{finding.what:<40} {finding.verdict:<8} {finding.detail}", fg=colour)
    # data may be gone in all honesty (`make clean`), an entry of the ledger may not
    wrong = sum(f.verdict == "differs" or (f.verdict, f.what) == ("gone", ENTRY) for f in findings)
    if wrong:
        raise ValueError(f"{wrong} of {len(findings)} differ from the seal {path}.")


@seal_group.command()
@env_choice
@plain_errors
def signers(env: str | None) -> None:
    """List the keys that have signed in the ledger.

    The whole ledger is verified, chain and signatures. Ask the holder of a key for its
    fingerprint before you list it in conf/base/signers.yml.
    """
    from fin_kedro.governance.ledger import Ledger
    from fin_kedro.governance.signing import trusted_signers
    from fin_kedro.seals.seal_entries import workflow_ledgers

    for path in sorted(set(workflow_ledgers(project_folder(), env).values())):
        ledger = Ledger(path)
        entries, trusted = ledger.entries(), trusted_signers(Path(path))
        head = entries[-1].head if entries else "none"
        click.echo(f"{path}: {len(entries)} entries, head {head}")
        for signer in ledger.signers():
            count = sum(entry.signer == signer.key for entry in entries)
            name = trusted.name_of(signer.key) or "not listed"
            click.echo(f"  {signer.key}  {name}, {count} entries")
            click.echo(f"    fingerprint {signer.fingerprint}\n    public key  {signer.text}")
        ledger.verify()


@seal_group.command()
@click.argument("first")
@click.argument("second")
@click.option("--kinds", is_flag=True, help="count by kind of artefact")
@click.option("--markdown", is_flag=True, help="as a table for the docs")
@env_choice
@plain_errors
def compare(first: str, second: str, kinds: bool, markdown: bool, env: str | None) -> None:
    """Compare two runs, dataset by dataset.

    Says of each whether its bytes or its content are the same, and why not. A run of
    another folder is named by the path of its seal.json.
    """
    from fin_kedro.seals.seal import find_seal, read_seal
    from fin_kedro.seals.seal_check import compare_kinds, compare_seals

    project = project_folder()
    seals = [read_seal(find_seal(project, run, env)) for run in (first, second)]
    rows = [
        ("what", "bytes", "content", "reason"),
        *(compare_kinds if kinds else compare_seals)(*seals),
    ]
    if markdown:
        rows.insert(1, ("---",) * 4)
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        cells = row if markdown else [c.ljust(w) for c, w in zip(row, widths, strict=True)]
        line = f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()
        click.echo(line)


@seal_group.command()
@click.argument("run", default="latest")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="a new folder")
@click.option(
    "--data", type=click.Choice(["none", "written", "all"]), default="none", show_default=True,
    help="which datasets are put in; what a run read may be personal data",
)  # fmt: skip
@env_choice
@plain_errors
def export(run: str, target: Path, data: Any, env: str | None) -> None:
    """Export RUN as a folder that plain Python can check.

    The folder is an RO-Crate: seal, patch, lock, a program that checks them, and data if asked.
    """
    from fin_kedro.seals.crate import export_crate
    from fin_kedro.seals.seal import find_seal

    project = project_folder()
    folder = export_crate(find_seal(project, run, env), target, project=project, data=data)
    click.echo(f"{folder}\nNext: python -I -S {folder}/verify.py")


def _listed(seal: Mapping[str, Any]) -> str:
    content, seconds = seal["content"], seal["occasion"]["seconds"]
    return f"{seal['digest'][:12]}  {content['outcome']:<9}  {seconds:6.0f} s  {_subject(content)}"


def _subject(content: Mapping[str, Any]) -> str:
    subject = content["subject"]
    name = subject.get("notebook") or ", ".join(subject.get("pipelines", []))
    return f"{name} (env {subject['env']})" if subject.get("env") else str(name)


def _described(seal: Mapping[str, Any]) -> list[tuple[str, str]]:
    from fin_kedro.storage.canonical import SHOWN

    content, occasion = seal["content"], seal["occasion"]
    environment, code, data = content["environment"], content["code"], content["data"]
    error = occasion.get("error")
    stopped = f": {error['name']} in {error['step']}" if error else ""
    return [
        ("digest", seal["digest"]),
        ("run", f"{occasion.get('run', 'unknown')}, {_subject(content)}"),
        ("outcome", content["outcome"] + stopped),
        ("when", _when(occasion)),
        ("code", f"commit {_code(code)}"),
        ("environment", _environment(environment)),
        ("parameters", _parameters(seal)),
        *((f"{direction}", f"{str(h)[:SHOWN]}  {n}") for direction in ("read", "written")
          for n, h in sorted(data[direction].items())),
        ("MLflow run", str(occasion.get("mlflow_run"))),
    ]  # fmt: skip


def _parameters(seal: Mapping[str, Any]) -> str:
    number, digest = len(seal["content"]["parameters"]), seal["digests"]["parameters"]
    return f"{number} entr{'y' if number == 1 else 'ies'}, digest {digest[:12]}"


def _when(occasion: Mapping[str, Any]) -> str:
    if "started" not in occasion:
        return "not kept with the notebook"
    return f"{occasion['started']}, {occasion['seconds']:.0f} s, by {occasion['by']}"


def _code(code: Mapping[str, Any]) -> str:
    commit = code["commit"][:12] if code["commit"] else "unknown (no git)"
    withheld = f", withheld: {code['patch_withheld']}" if "patch_withheld" in code else ""
    return f"{commit}{', with changes not committed' if code['dirty'] else ''}{withheld}"


def _environment(environment: Mapping[str, Any]) -> str:
    python, blas = environment["python"], environment["blas"]
    matches = environment["matches_lock"]
    lock = {True: "libraries as locked", False: "libraries NOT as locked", None: "no lock"}[matches]
    cores = ", ".join(f"{b['library']} {b['version']} on {b['core']}" for b in blas)
    threads = environment["threads"]["used"]
    used = f"{threads} thread{'' if threads == 1 else 's'}"
    return f"Python {python['version']}, {lock}; {cores}; {used}"
