"""Lineage of a run: which dataset, in which version, by content hash, went in and came out."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

LINEAGE_DATASET = "lineage"


class Lineage:
    """Collects reads and writes while a run goes on.

    Args:
        root: project folder; paths are kept relative to it.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path.cwd()
        self._catalog: Any = None
        self._nodes: dict[str, dict[str, Any]] = {}
        self._started = ""
        self._run: dict[str, Any] = {}

    def start(
        self,
        run_params: Mapping[str, Any],
        pipeline: Pipeline,
        catalog: Any,
        *,
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin a record; ``policy`` is what was in force."""
        self._catalog = catalog
        self._nodes = {}
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._run = {
            "pipeline": run_params.get("pipeline_names")
            or run_params.get("pipeline_name")
            or "__default__",
            "env": run_params.get("env"),
            "code": code_hash(),
            "policy": content_hash(policy or {}),
            "sources": {node.name: source_hash(node.func) for node in pipeline.nodes},
        }

    def add(self, direction: str, name: str, node: Node) -> None:
        """Record that ``node`` read or wrote dataset ``name``."""
        described = describe_dataset(self._catalog, name, self._root)
        if described is None and name.startswith("params:"):
            described = {"sha256": content_hash(self._inside(self._catalog.load(name)))}
        if described is not None:
            entry = self._nodes.setdefault(node.name, {"read": {}, "written": {}})
            entry[direction][name] = described

    def _inside(self, content: Any) -> Any:
        """Paths inside the project, seen from it: the same parameters hash the same anywhere."""
        if isinstance(content, Mapping):
            return {key: self._inside(value) for key, value in content.items()}
        if isinstance(content, list | tuple):
            return [self._inside(value) for value in content]
        return (
            content.removeprefix(f"{self._root.as_posix()}/")
            if isinstance(content, str)
            else content
        )

    def given_to(self, node: Node) -> dict[str, Any]:
        """Versions and paths of what a node just read: ``{"versions": {}, "paths": {}}``."""
        read = self._nodes.get(node.name, {"read": {}})["read"]
        return {
            "versions": {n: d["version"] for n, d in read.items() if d.get("version")},
            "paths": {n: str(self._root / d["path"]) for n, d in read.items() if d.get("path")},
        }

    def record(self, outcome: str) -> dict[str, Any]:
        """Return the record; what differs between identical runs stands apart, in ``occasion``."""
        content = {
            **self._run,
            "nodes": {n: _without_occasion(e) for n, e in sorted(self._nodes.items())},
        }
        return {
            "digest": content_hash(content),
            "content": content,
            "occasion": {
                "outcome": outcome,
                "started": self._started,
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "nodes": self._nodes,
            },
        }

    def finish(self, catalog: Any, outcome: str) -> None:
        """Save the record beside the data, and in MLflow when a run is open."""
        if not self._nodes:
            return
        record = self.record(outcome)
        if LINEAGE_DATASET in catalog:
            catalog.save(LINEAGE_DATASET, record)
        _log_to_mlflow(record, self._registered())

    def _registered(self) -> dict[str, Any] | None:
        for entry in self._nodes.values():
            for name in entry["written"]:
                if name.endswith(".candidate"):
                    return dict(self._catalog.load(name))
        return None


def describe_dataset(catalog: Any, name: str, root: Path) -> dict[str, Any] | None:
    """Return path, version and content hash of a dataset that is a file; None for others."""
    dataset = catalog.get(name)
    find = getattr(dataset, "_get_load_path", None)
    raw = find() if find else getattr(dataset, "_filepath", None)
    if raw is None or not Path(str(raw)).exists():
        return None
    path = Path(str(raw))
    version = path.parent.name if getattr(dataset, "_version", None) else None
    # A record of an occasion (its version number, its paths) says itself what of it is content.
    own_hash = getattr(dataset, "content_hash", None)
    digest = own_hash() if own_hash else file_hash(path)
    return {"path": _relative(path, root), "version": version, "sha256": digest}


def file_hash(path: Path) -> str:
    """Hash (sha256, hex) of a file, or of a folder's files by sorted relative name."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = [
        f"{f.relative_to(path).as_posix()} {file_hash(f)}"
        for f in sorted(path.rglob("*"))
        if f.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def content_hash(content: Any) -> str:
    """Hash (sha256, hex) of JSON-like content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def source_hash(function: Any) -> str:
    """Hash (sha256, hex) of a function's module source: what code a node ran."""
    module = inspect.getmodule(function)
    source = inspect.getsource(module) if module else repr(function)
    return hashlib.sha256(source.encode()).hexdigest()


def code_hash() -> str:
    """Hash (sha256, hex) of the project's whole code: features and models are imported by nodes."""
    package = Path(__file__).parents[1]
    files = sorted(package.rglob("*.py"))
    lines = [f"{file.relative_to(package).as_posix()} {file_hash(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _without_occasion(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Keep content hashes only: versions and paths carry the time of the run."""
    return {
        d: {n: facts["sha256"] for n, facts in sorted(entry[d].items())}
        for d in ("read", "written")
    }


def _log_to_mlflow(record: Mapping[str, Any], candidate: Mapping[str, Any] | None) -> None:
    import mlflow

    run = mlflow.active_run()
    if run is None:
        return
    mlflow.log_dict(dict(record), "lineage.json")
    mlflow.set_tag("seal", record["digest"])
    hashes = _raw_hashes(record)
    for name, digest in hashes.items():
        mlflow.set_tag(f"data.{name}", digest)
    if candidate:
        client = mlflow.MlflowClient()
        tags = {"seal": record["digest"], **{f"data.{n}": d for n, d in hashes.items()}}
        for name, value in tags.items():
            client.set_model_version_tag(candidate["workflow"], candidate["version"], name, value)


def _raw_hashes(record: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of what the run read and did not write itself: its raw inputs."""
    nodes = record["content"]["nodes"].values()
    written = {name for entry in nodes for name in entry["written"]}
    return {
        name: digest
        for entry in nodes
        for name, digest in entry["read"].items()
        if name not in written and not name.startswith("params:")
    }
