"""`kedro versions`: what is kept of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from fin_kedro.project.commands import env_choice, plain_errors, project_folder


@click.command()
@click.argument("dataset")
@env_choice
@plain_errors
def versions(dataset: str, env: str | None) -> None:
    """List the stored versions of a dataset, newest first.

    Each is shown with the hash of its content, the one that seals and reports have.
    """
    from fin_kedro.project.evidence import open_catalog
    from fin_kedro.storage.canonical import SHOWN
    from fin_kedro.storage.dataset_state import DatasetHashes

    catalog = open_catalog(project_path=project_folder(), env=env or "base")
    if dataset not in catalog:
        raise ValueError(
            f"no dataset {dataset!r} in the catalog; `kedro catalog describe-datasets` lists all."
        )
    base = Path(str(getattr(catalog.get(dataset), "_filepath", "")))
    found = sorted((p for p in base.glob(f"*/{base.name}")), reverse=True)
    if not found:
        raise ValueError(f"{dataset} has no version yet at {base}; `kedro run` writes one.")
    digest_of = DatasetHashes(catalog)
    for path in found:
        click.echo(f"{path.parent.name}  {digest_of(dataset, path)[:SHOWN]}")
