"""The seal of an executed notebook: its cells are the steps, what the kernel loaded is its data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fin_kedro.governance.registry import current_user
from fin_kedro.seals.code_state import code_state
from fin_kedro.seals.seal import make_seal
from fin_kedro.seals.surroundings import seeds, surroundings
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from sealed_kernel.fixed import HASH_SEED, SEED
from sealed_kernel.kernel_manager import kernel_environment
from sealed_kernel.parameters import declared_parameters

# Where the evidence lay, not what it was: it differs from run to run.
LOCATIONS = ("project_path", "versions")
# The kernel answers this at the end: its surroundings are those that count.
SURROUNDINGS = (
    '__import__("json").dumps(__import__("fin_kedro.seals.surroundings", fromlist=["_"])'
    ".surroundings({project!r}))"
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of one execution: which notebook, in which project and conf environment."""

    notebook: Path
    project: Path
    env: str | None
    parameters: Mapping[str, Any]
    started: datetime

    @property
    def name(self) -> str:
        """The notebook's path, seen from the project."""
        path = self.notebook.resolve()
        inside = path.is_relative_to(self.project)
        return path.relative_to(self.project).as_posix() if inside else path.name


def project_of(notebook: Path) -> Path:
    """The Kedro project that a notebook lies in; outside of one, the notebook's own folder."""
    folder = notebook.resolve().parent
    for place in (folder, *folder.parents):
        marker = place / "pyproject.toml"
        if marker.is_file() and "[tool.kedro]" in marker.read_text("utf-8", "replace"):
            return place
    return folder


def seal_notebook(
    asked: Asked, executed: Mapping[str, Any], error: Mapping[str, Any] | None
) -> tuple[dict[str, Any], bytes | None]:
    """Return the seal of an executed notebook (nbformat 4), and the patch of a dirty tree.

    `error`: what stopped it, or None.
    """
    code, patch = code_state(asked.project, notebooks=[asked.notebook])
    loaded, saved = _noted(executed, "data"), _noted(executed, "saved")
    outputs = canonical_outputs(executed)
    steps = _steps(executed, outputs)
    content = {
        "kind": "notebook",
        "subject": {"notebook": asked.name, "env": asked.env},
        "environment": _environment(asked.project, executed),
        "code": code,
        "parameters": _parameters(asked, executed),
        "steps": {name: {"read": {}, "written": {"output": o}} for name, (o, _) in steps.items()},
        "data": {
            "read": {name: found.get("sha256") for name, found in loaded.items()},
            "written": {n: found.get("sha256") for n, found in saved.items()}
            | {"outputs": json_hash(outputs)},
        },
        "outcome": "failed" if error else "completed",
    }
    seal = make_seal(content, _occasion(asked, {**saved, **loaded}, steps, error))
    return seal, patch


def stored_seal(seal: Mapping[str, Any]) -> dict[str, Any]:
    """The seal as a notebook carries it: without the occasion, so that equal runs are equal."""
    return {key: value for key, value in seal.items() if key != "occasion"}


def _environment(project: Path, executed: Mapping[str, Any]) -> dict[str, Any]:
    """The kernel's surroundings; of one that died, this process's under the kernel's variables."""
    answers = executed["metadata"].get("fin_kedro", {}).get("answers", {})
    if answers.get("environment"):
        return dict(json.loads(answers["environment"]))
    found, variables = surroundings(project), kernel_environment()
    for part in ("threads", "fixed"):
        found[part] = {name: variables.get(name, value) for name, value in found[part].items()}
    return {**found, "seeds": {**seeds(SEED), "hash": variables[HASH_SEED]}}


def _noted(executed: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The datasets that the kernel says it loaded (``data``) or ``saved``, by name."""
    info = executed["metadata"].get("language_info", {})
    return dict(sorted(info.get("fin_kedro", {}).get(kind, {}).items()))


def _parameters(asked: Asked, executed: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared parameter with the value it had; places are left to the occasion."""
    declared = declared_parameters(executed)
    values = {name: parameter.default for name, parameter in declared.items()}
    values |= dict(asked.parameters)
    own = f"{asked.project.as_posix()}/"
    return {
        name: value.removeprefix(own) if isinstance(value, str) else value
        for name, value in values.items()
        if name not in LOCATIONS
    }


def _steps(
    executed: Mapping[str, Any], outputs: Mapping[str, str]
) -> dict[str, tuple[str, float | None]]:
    """Name of each of the author's code cells, with the hash of its outputs and its seconds."""
    cells = {str(c.get("id")): c for c in executed["cells"] if c["cell_type"] == "code"}
    return {
        f"cell {number} (#{name})": (digest, _seconds(cells.get(name, {})))
        for number, (name, digest) in enumerate(outputs.items(), 1)
    }


def _seconds(cell: Mapping[str, Any]) -> float | None:
    duration = cell.get("metadata", {}).get("papermill", {}).get("duration")
    return None if duration is None else round(duration, 3)


def _occasion(
    asked: Asked,
    noted: Mapping[str, Mapping[str, Any]],
    steps: Mapping[str, tuple[str, float | None]],
    error: Mapping[str, Any] | None,
) -> dict[str, Any]:
    finished = datetime.now(UTC)
    place = ("path", "version", "file_sha256")
    datasets = {name: {key: found.get(key) for key in place} for name, found in noted.items()}
    return {
        "run": run_id(asked.started),
        "mlflow_run": None,
        "started": asked.started.isoformat(timespec="milliseconds"),
        "finished": finished.isoformat(timespec="milliseconds"),
        "seconds": round((finished - asked.started).total_seconds(), 3),
        "by": current_user(),
        "host_cores": os.cpu_count(),
        "datasets": datasets,
        "seconds_by_step": {name: seconds for name, (_, seconds) in steps.items() if seconds},
        "runtime_params": dict(asked.parameters),
        "error": _step_of(error),
    }


def _step_of(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if error is None:
        return None
    step = None if error["cell"] is None else f"cell {error['cell']} (#{error.get('id', '')})"
    return {"step": step, "name": error["name"], "message": error["message"]}


def run_id(started: datetime) -> str:
    """The id of a run that began at `started` (UTC), as Kedro writes its own."""
    return f"{started:%Y-%m-%dT%H.%M.%S}.{started.microsecond // 1000:03d}Z"
