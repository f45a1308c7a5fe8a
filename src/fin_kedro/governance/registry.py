"""The model registry: MLflow holds the versions, the ledger holds what happened to them."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from unittest import mock

from kedro.io import AbstractVersionedDataset, Version
from kedro.io.core import DatasetError

from fin_kedro.governance.ledger import Entry, Ledger
from fin_kedro.governance.package import MODEL, read_package, write_package
from fin_kedro.storage.whole_versions import Draft, whole_version, withdraw

# The state that a version is in after an event; the last event counts.
STATES = {
    "registered": "candidate",
    "validated": "validated",
    "failed": "failed",
    "approved": "approved",
    "released": "released",
}


_ATTEMPTS = 5
# answers of MLflow that stay the same when it is asked again
_FINAL = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED")

_MODEL_NEEDS = ("mlflow", "onnxruntime", "pandas")

_MISMATCH_SEARCH = "mlflow.utils.environment.warn_dependency_requirement_mismatches"


_NOT_FOUND = ("candidate", "report", "env", "gates_digest")  # of a record: not what was found


class RegistryError(RuntimeError):
    """A version is unknown, or not in the state that was asked for."""


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """A registered version, its state, since when (UTC, ISO 8601), by whom, and the entry of it.

    ``env``: where it was validated; unknown before it was, or before entries stated it.
    """

    workflow: str
    version: str
    digest: str
    state: str
    since: str
    by: str
    entry: Entry
    env: str = "unknown"


def current_user() -> str:
    """Who runs this: FIN_KEDRO_USER, else the operating system's user."""
    return os.environ.get("FIN_KEDRO_USER") or getpass.getuser()


def model_states(ledger: Ledger) -> list[ModelState]:
    """Every registered version with its state, oldest first."""
    found: dict[tuple[str, str], ModelState] = {}
    for entry in ledger.entries():
        event = entry.event
        if event["event"] not in STATES:  # such as a run that was sealed: no model's state
            continue
        key = (event["workflow"], event["version"])
        found[key] = ModelState(
            workflow=event["workflow"],
            version=event["version"],
            digest=event["digest"],
            state=STATES[event["event"]],
            since=entry.at,
            by=event["by"],
            entry=entry,
            env=event.get("env") or (found[key].env if key in found else "unknown"),
        )
    return list(found.values())


def find_state(
    ledger: Ledger, workflow: str, version: str | None, among: tuple[str, ...]
) -> ModelState:
    """Return one version's state; the newest of the states ``among`` if no version is named."""
    states = [s for s in model_states(ledger) if s.workflow == workflow]
    if version is not None:
        states = [s for s in states if s.version == version]
        if not states:
            raise RegistryError(_unknown(ledger, workflow, version))
    fitting = [s for s in states if s.state in among]
    if not fitting:
        now = ", ".join(f"{s.version} is {s.state}" for s in states) or "none is registered"
        raise RegistryError(
            f"no version of {workflow} is {' or '.join(among)}: {now}. `kedro models` lists all; "
            f"`kedro run` makes a candidate, `kedro approve {workflow}` approves a validated one."
        )
    return fitting[-1]


def _unknown(ledger: Ledger, workflow: str, version: str) -> str:
    known = [f"{s.workflow} {s.version}" for s in model_states(ledger)]
    return f"{workflow} {version} is not registered; registered are: {', '.join(known) or 'none'}."


class CandidateDataset(AbstractVersionedDataset[dict[str, Any], dict[str, Any]]):
    """Saving writes the package and registers it in MLflow and the ledger; loading describes it.

    Args:
        workflow: name of the registered model.
        filepath: folder of the package (versioned by Kedro).
        ledger: path of the ledger.
    """

    SAVES_WHOLE = True  # the ledger's entry follows what it speaks of
    # `kedro run --stale` sets this: the same package as the newest version's is that version
    keep_identical = False

    def __init__(
        self,
        *,
        workflow: str,
        filepath: str,
        ledger: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self._workflow = workflow
        self._ledger = Ledger(ledger)
        self.metadata = metadata

    def save(self, data: dict[str, Any]) -> None:
        """Write, log and register a candidate as `assemble_candidate` makes it."""
        _active_run()  # before anything is written
        with whole_version(self) as draft:
            record, is_new = self._write(draft.path, data)
        if is_new:
            self._enter(record, draft)
            _point_to(self._workflow, record["version"], "candidate")

    def _write(self, folder: Path, data: Mapping[str, Any]) -> tuple[dict[str, str], bool]:
        """Write the package and what MLflow calls it; also say whether it was registered anew."""
        content = {k: data[k] for k in ("model", "contract", "decision", "golden")}
        digest = write_package(folder, workflow=self._workflow, **content)
        record = self._newest(digest) if self.keep_identical else None
        if is_new := record is None:
            run_id, version = _register(self._workflow, folder, data, digest)
            record = {
                "workflow": self._workflow,
                "version": version,
                "digest": digest,
                "run_id": run_id,
                "trained_by": current_user(),
            }
        (folder.parent / "registered.json").write_text(json.dumps(record, indent=1, sort_keys=True))
        return record, is_new

    def _newest(self, digest: str) -> dict[str, str] | None:
        """What the newest version was registered as, if it is this very package."""
        events = [entry.event for entry in self._ledger.entries()]
        own = [e for e in events if e["event"] == "registered" and e["workflow"] == self._workflow]
        if not own or own[-1]["digest"] != digest:
            return None
        known = {name: own[-1][name] for name in ("workflow", "version", "digest", "run_id")}
        return {**known, "trained_by": own[-1]["by"]}

    def _enter(self, record: Mapping[str, str], draft: Draft) -> None:
        """Enter a package that is there in the ledger; one that cannot be entered goes again."""
        known = {k: record[k] for k in ("workflow", "version", "digest", "run_id")}
        package = self._ledger.relative(draft.final)
        try:
            self._ledger.append(
                event="registered", **known, by=record["trained_by"], package=package
            )
        except BaseException:
            withdraw(draft)
            raise

    def load(self) -> dict[str, Any]:
        """Return ``workflow, version, digest, run_id, trained_by, package`` (folder, verified)."""
        folder = Path(str(self._get_load_path()))
        record: dict[str, Any] = json.loads((folder.parent / "registered.json").read_text())
        self._check_entered(record, folder)
        read_package(folder, expected_digest=record["digest"])
        return {**record, "package": folder.as_posix()}

    def _check_entered(self, record: Mapping[str, Any], folder: Path) -> None:
        """Refuse a package whose run was killed between its writing and its registration."""
        known = {k: record[k] for k in ("workflow", "version", "digest")}
        if not self._ledger.entries(event="registered", **known):
            raise RegistryError(
                f"the candidate in {folder} is not in the ledger: its run was stopped while it was "
                f"registered. `kedro run --pipelines {self._workflow}` makes another; or delete "
                f"{folder.parent}."
            )

    def _describe(self) -> dict[str, Any]:
        return {"workflow": self._workflow, "filepath": self._filepath, "version": self._version}


def _active_run() -> Any:
    import mlflow

    run = mlflow.active_run()
    if run is None:
        raise DatasetError(
            "a candidate is registered inside an MLflow run; start it with `kedro run`."
        )
    return run


def _register(workflow: str, folder: Path, data: Mapping[str, Any], digest: str) -> tuple[str, str]:
    """Log the graph as an MLflow model with signature and example, and number it."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    run = _active_run()
    contract = data["contract"]
    inputs: list[Any] = [
        ColSpec("string" if not c.is_number else "double", c.name, required=c.required)
        for c in contract.inputs
    ]
    outputs: list[Any] = [ColSpec("double", "probability")]
    mlflow.log_artifacts(str(folder), "package")
    # The requirements are the installed versions, so MLflow's search of every installed file for a
    # mismatch (1 s, a tenth of the framework's time in a run) can find nothing.
    with mock.patch(_MISMATCH_SEARCH):
        logged = mlflow.pyfunc.log_model(
            name=f"{workflow}_model",
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={"model": str(folder / MODEL)},
            signature=ModelSignature(Schema(inputs), Schema(outputs)),
            input_example=_example(data["input_example"], contract),
            pip_requirements=[f"{name}=={_installed(name)}" for name in _MODEL_NEEDS],
            metadata={"package_digest": digest},
        )
    client = mlflow.MlflowClient()
    _ensure_model(client, workflow)
    version = client.create_model_version(
        workflow, logged.model_uri, run_id=run.info.run_id, model_id=logged.model_id,
        tags={
            "contract": f"{contract.name} {contract.version}", "contract_digest": contract.digest,
            "package_digest": digest, "state": "candidate", "trained_by": current_user(),
        },
    ).version  # fmt: skip
    return run.info.run_id, str(version)


def _point_to(workflow: str, version: str, alias: str) -> None:
    """Give a registered version a name to be found by."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    for attempt in range(_ATTEMPTS):
        try:
            client.set_registered_model_alias(workflow, alias, version)
            return
        except MlflowException as error:
            # two trainings on one server both found no alias, and both made it (unique key)
            if error.error_code in _FINAL or attempt == _ATTEMPTS - 1:
                raise


def _example(rows: Any, contract: Any) -> Any:
    """Numbers as doubles and strings as strings, as the signature says."""
    kinds = {c.name: "float64" if c.is_number else "object" for c in contract.inputs}
    return rows[list(kinds)].astype(kinds)


def _installed(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def _ensure_model(client: Any, workflow: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(workflow)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


class ValidationRecordDataset(AbstractVersionedDataset[dict[str, Any], dict[str, Any]]):
    """Saving keeps what validation found, as JSON, in the ledger and on the MLflow version.

    Args:
        filepath: JSON file (versioned by Kedro).
        ledger: path of the ledger.
    """

    SAVES_WHOLE = True  # the ledger's entry follows what it speaks of

    def __init__(
        self,
        *,
        filepath: str,
        ledger: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self._ledger = Ledger(ledger)
        self.metadata = metadata

    def save(self, data: dict[str, Any]) -> None:
        """Keep a record as `record_validation` makes it."""
        kept = {**data, "report": {k: self._ledger.relative(v) for k, v in data["report"].items()}}
        with whole_version(self) as draft:
            text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
            draft.path.parent.mkdir(parents=True, exist_ok=True)
            draft.path.write_text(text)
        candidate, event = data["candidate"], "validated" if data["passed"] else "failed"
        self._ledger.append(
            event=event, workflow=candidate["workflow"], version=candidate["version"],
            digest=candidate["digest"], by=current_user(),
            record=self._ledger.relative(draft.final),
            report_digest=data["report_digest"], failed_gates=data["failed_gates"],
            env=data["env"], gates_digest=data["gates_digest"],
            record_digest=hashlib.sha256(text.encode()).hexdigest(),
        )  # fmt: skip
        tag_version(
            candidate["workflow"],
            candidate["version"],
            {"state": event, "report_digest": data["report_digest"]},
        )

    def load(self) -> dict[str, Any]:
        """Return the record, with the report's files as absolute paths."""
        content: dict[str, Any] = json.loads(Path(str(self._get_load_path())).read_text())
        report = {k: self._ledger.resolve(v).as_posix() for k, v in content["report"].items()}
        return {**content, "report": report}

    def content_hash(self) -> str:
        """Hash (sha256, hex) of what was found, without version number, run and paths."""
        content: dict[str, Any] = json.loads(Path(str(self._get_load_path())).read_text())
        found = {k: v for k, v in content.items() if k not in _NOT_FOUND}
        found["digest"] = content["candidate"]["digest"]
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


def tag_version(
    workflow: str, version: str, tags: Mapping[str, str], alias: str | None = None
) -> None:
    """Mirror a state onto the MLflow version, for those who look there."""
    import mlflow

    client = mlflow.MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(workflow, version, name, value)
    if alias:
        _point_to(workflow, version, alias)
