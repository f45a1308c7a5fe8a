"""A small project with a conf, in which runs are made and sealed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.pipeline import Pipeline, node

from fin_kedro.changes import makings
from fin_kedro.changes.makings import Project
from fin_kedro.changes.staleness import Judge, NodeState
from fin_kedro.project.config import project_config
from fin_kedro.seals.seal import make_seal
from fin_kedro.storage.canonical import content_hash, file_hash

CATALOG = """
raw: {type: json.JSONDataset, filepath: data/raw.json}
"made@json": {type: json.JSONDataset, filepath: data/made.json, versioned: true}
"made@pandas": {type: json.JSONDataset, filepath: data/made.json, versioned: true}
plain: {type: json.JSONDataset, filepath: data/plain.json}
far: {type: json.JSONDataset, filepath: "memory://far.json"}
seal: {type: json.JSONDataset, filepath: data/seal.json, versioned: true}
"""
CODE = {"m": "1"}


def make(raw: Any, depth: int) -> Any:
    return raw


def read(made: Any, context: Any) -> Any:
    return made


PIPELINE = Pipeline(
    [
        node(make, ["raw", "params:depth"], ["made@json", "memory"], name="make"),
        node(read, ["made@pandas", "params:run_context"], "plain", name="read", namespace=None),
    ]
)


class Lab:
    """A project with a conf, in which runs are made by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("conf/base/catalog.yml", CATALOG)
        self.write("conf/base/globals.yml", "data: data")
        self.write("conf/base/parameters.yml", "depth: 4")
        self.write("conf/base/policy.yml", "gates: {AUC: {limits: {min: 0.7}}}\napproval: {by: 2}")
        (root / "conf/local").mkdir()
        self.write("data/raw.json", "[1]")

    def write(self, path: str, text: str) -> Path:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        return self.root / path

    def run(self, run: str, *, sealed: bool = True, **changes: Any) -> None:
        """What a run of both nodes leaves; ``changes`` go into the seal's content."""
        files = {
            "raw": self.root / "data/raw.json",
            "made": self.write(f"data/made.json/{run}/made.json", "[1]"),
            "plain": self.write("data/plain.json", "[1]"),
        }
        if not sealed:
            return
        hashes = {name: content_hash(path) for name, path in files.items()}
        content = {
            "kind": "pipeline",
            "subject": {"pipelines": ["__default__"], "env": None, "selection": {}},
            "environment": {},
            "code": {"modules": CODE, "notebooks": {}},
            "parameters": {
                "depth": 4,
                "policy": {"gates": {"AUC": {"limits": {"min": 0.7}}}, "approval": {"by": 9}},
            },
            "steps": {
                "make": {
                    "read": {"raw": hashes["raw"], "params:depth": "x"},
                    "written": {"made@json": hashes["made"]},
                },
                "read": {
                    "read": {"made@pandas": hashes["made"]},
                    "written": {"plain": hashes["plain"]},
                },
            },
            "data": {
                "read": {"raw": hashes["raw"]},
                "written": {"made@json": hashes["made"], "plain": hashes["plain"]},
            },
            "outcome": "completed",
            **changes,
        }
        occasion = {
            "datasets": {
                {"made": "made@json"}.get(name, name): {"file_sha256": file_hash(p)}
                for name, p in files.items()
            },
            "error": changes.get("error"),
        }
        content.pop("error", None)
        self.write(f"data/seal.json/{run}/seal.json", json.dumps(make_seal(content, occasion)))

    def project(self, **given: Any) -> Project:
        return Project(self.root, PIPELINE, project_config(self.root), **given)

    def states(self) -> dict[str, NodeState]:
        project = self.project()
        return Judge(project.steps, project).states()


def make_lab(root: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The project at `root`, which becomes the working folder; its nodes rest on CODE."""
    monkeypatch.chdir(root)
    monkeypatch.setattr(makings, "_needed", lambda *_: CODE)
    return Lab(root)
