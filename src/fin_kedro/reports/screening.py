"""What no report of this project may show: its secrets, and what its contracts call personal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fin_kedro.contracts.model import Column
from fin_kedro.contracts.reading import read_contract
from fin_kedro.project.config import project_config
from sealed_kernel.screening import Screen, classified_columns, project_screen

SHORTEST = 4  # characters: shorter texts stand in many an output by chance
MOST = 200_000  # values of one column


def report_screen(project: Path, env: str | None = None) -> Screen:
    """The screen of a project (`sealed_kernel.screening`), with values of its personal columns.

    Values are looked for where a contract classifies a column of free text, such as a name: what
    a code or a number says is no secret by itself. Reads those columns of the newest data.

    Of an environment its own contracts count: those that its catalog names. What another data set
    calls personal may be an ordinary column here. Without one, every contract counts.
    """
    any_class = bool(classified_columns(project))
    contracts = _contracts(project, env) if any_class and env is not None else None
    screen = project_screen(project, contracts)
    if not any(_is_free_text(column) for column in classified_columns(project, contracts)):
        return screen
    return replace(screen, values={**screen.values, **personal_values(project, env)})


def _contracts(project: Path, env: str) -> list[Path]:
    """The contracts that an environment's catalog names, in whatever place of an entry."""
    named = filter(_is_one, _texts(project_config(project, env)["catalog"]))
    return sorted({path for text in named if (path := (project / text).resolve()).is_file()})


def _is_one(text: str) -> bool:
    return text.endswith((".odcs.yaml", ".odcs.yml"))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)
    elif isinstance(content, str):
        yield content


def _is_free_text(column: Mapping[str, Any]) -> bool:
    return column.get("logicalType") == "string" and not column.get("enum")


def personal_values(project: Path, env: str | None = None) -> dict[str, set[str]]:
    """Values of every classified column of free text, of datasets that a contract validates.

    The keys say what they are: "value of NAME (personal)".
    """
    found: dict[str, set[str]] = {}
    for dataset, columns in _datasets(project, env):
        for column in columns:
            kind = f"value of {column.name} ({column.pii})"
            found.setdefault(kind, set()).update(_values(project, env, dataset, column.name))
    return {kind: values for kind, values in found.items() if values}


def _datasets(project: Path, env: str | None) -> Iterator[tuple[str, list[Column]]]:
    """Datasets of the catalog that have data, each with its columns to look for."""
    for name, entry in project_config(project, env)["catalog"].items():
        validator = entry.get("validator") if isinstance(entry, Mapping) else None
        path = (validator or {}).get("options", {}).get("contract")
        if not path or not (project / str(entry.get("filepath"))).exists():
            continue
        contract = read_contract(project / path)
        columns = [
            column
            for column in contract.columns.values()
            if column.pii != "none" and column.type == "string" and not column.allowed
        ]
        if columns:
            yield name, columns


def _values(project: Path, env: str | None, dataset: str, column: str) -> set[str]:
    from fin_kedro.project.evidence import BASE, open_catalog

    table = open_catalog(project_path=project, env=env or BASE).load(dataset)
    texts = table.select(column).distinct().limit(MOST).to_pyarrow()[column].to_pylist()
    return {text for text in texts if text and len(text) >= SHORTEST}
