"""Delivered tables as an environment declares them: the file, its contract, what policy allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro.io.core import generate_timestamp

from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.project.config import project_config
from fin_kedro.project.policy import policy_of

_AT_LOADING = ("validator", "metadata")  # of an entry: what Kedro does with a loaded table


@dataclass(frozen=True)
class Declared:
    """A raw table of a workflow.

    ``name`` is its catalog entry; ``path`` the file and ``contract`` its contract, from the
    project on; ``largest_share`` the share of rows that policy allows to be set aside.
    """

    name: str
    workflow: str
    path: str
    contract: str
    largest_share: float
    entry: Mapping[str, Any]

    def dataset(self) -> DeliveredTable:
        """The file as a run reads it; nothing is checked yet."""
        entry = {k: v for k, v in self.entry.items() if k not in _AT_LOADING}
        version = generate_timestamp() if entry.get("versioned") else None
        found = AbstractDataset.from_config(self.name, entry, save_version=version)
        assert isinstance(found, DeliveredTable)
        return found


def declared_tables(
    project: Path, env: str | None, name: str | None = None, workflow: str | None = None
) -> list[Declared]:
    """The tables that are to be checked.

    Args:
        project: the project's folder.
        env: the environment of conf.
        name: a workflow, or a file that was delivered for one; None: all tables that lie there.
        workflow: whose contract, where ``name`` is a file.

    Raises:
        ContractError: no such workflow, or it is not clear whose file it is.
    """
    config = project_config(project, env)
    tables = list(_all(config, project))
    known = sorted({t.workflow for t in tables})
    if name is None and workflow is None:
        return [t for t in tables if not _is_made_by_a_run(config, t)]
    if name in known and workflow is None:
        return [t for t in tables if t.workflow == name]
    if workflow is not None and workflow not in known:
        raise ContractError(f"no workflow {workflow!r}; there are: {', '.join(known) or 'none'}.")
    if name is None:
        return [t for t in tables if t.workflow == workflow]
    if not Path(name).is_file():
        raise ContractError(
            f"{name!r} is no workflow ({', '.join(known) or 'there is none'}) and no file. Does "
            "the workflow stand in another environment? Name it with --env."
        )
    if workflow is None:
        return [_for_file(name, tables)]
    of_workflow = [t for t in tables if t.workflow == workflow]
    return (
        [_placed(of_workflow[0], name)] if len(of_workflow) == 1 else [_for_file(name, of_workflow)]
    )


def _all(config: Any, project: Path) -> Any:
    """Every entry of the catalog that is a delivered table."""
    names = [w.name for w in config.workflows]
    for entry_name, entry in config["catalog"].items():
        workflow = entry_name.partition(".")[0]
        if workflow not in names or not str(entry.get("type", "")).endswith("DeliveredTable"):
            continue
        policy = policy_of(config["policy"], workflow)
        placed = {**entry, "filepath": _in(project, entry["filepath"])}
        yield Declared(
            entry_name,
            workflow,
            entry["filepath"],
            _from(project, str(entry["contract"])),
            policy["quarantine"]["largest_share"],
            placed,
        )


def _in(project: Path, filepath: str) -> str:
    return filepath if "://" in filepath else (project / filepath).as_posix()


def _from(project: Path, path: str) -> str:
    """A path from the project on, where it lies inside."""
    inside = Path(path).is_relative_to(project)
    return Path(path).relative_to(project).as_posix() if inside else path


def _is_made_by_a_run(config: Any, table: Declared) -> bool:
    """Simulated tables are there after a run only; unless asked for, they are left alone."""
    made = {w.name for w in config.workflows if getattr(w, "simulated", False)}
    return table.workflow in made and not Path(table.entry["filepath"]).exists()


def _for_file(name: str, tables: list[Declared]) -> Declared:
    """The table that a file was delivered for: by its place, else by its columns."""
    path = Path(name).resolve()
    of_place = [t for t in tables if Path(t.entry["filepath"]).resolve() == path]
    fitting = of_place or [t for t in tables if _has_the_columns(t, path)]
    if len(fitting) != 1:
        told = ", ".join(sorted({t.workflow for t in fitting or tables})) or "none"
        raise ContractError(
            f"{name} is the file of no single workflow ({told}); say whose: --workflow NAME."
        )
    return _placed(fitting[0], name)


def _placed(table: Declared, name: str) -> Declared:
    """A table, read from another file."""
    entry = {**table.entry, "filepath": Path(name).resolve().as_posix(), "versioned": False}
    return replace(table, path=name, entry=entry)


def _has_the_columns(table: Declared, path: Path) -> bool:
    try:
        columns = _placed(table, str(path)).dataset().load().columns
    except Exception:  # whatever is wrong with it: it is not this table
        return False
    return set(read_contract(table.entry["contract"]).columns) <= set(columns)
