"""A small project with git, in which runs are sealed by hand and compared."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from fin_kedro.changes.difference import Difference, compare_runs
from fin_kedro.seals.seal import make_seal
from fin_kedro.storage.canonical import content_hash, file_hash

FIGURE = {"value": 0.7, "low": 0.68, "high": 0.72}
VERDICT = {
    "code": "AUC", "title": "The <b>AUC</b>", "status": "pass", "value": 0.7, "low": None,
    "high": None, "threshold": ">= 0.6", "detail": "", "gate": True,
}  # fmt: skip
ENVIRONMENT = {"lock": "a" * 64, "python": {"version": "3.11.7"}, "cpu": {"features": ["A", "B"]}}


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


class SealedLab:
    """A small project with git, in which runs are sealed by hand."""

    def __init__(self, root: Path, inside: str = "") -> None:
        self.top, self.root = root, root / inside
        self.root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q")

    def commit(self, message: str, **files: str) -> str:
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.top, "add", "-A")
        git(self.top, "commit", "-qm", message)
        return git(self.top, "rev-parse", "HEAD")

    def seal(self, run: str, *, patch: str = "", **parts: Any) -> Path:
        """Write data files and the seal of a run; ``parts``: data, parameters, code, ..."""
        written, datasets = {}, {}
        for name, save in parts.get("data", {}).items():
            path = self.root / "data" / name / run / name
            path.parent.mkdir(parents=True)
            save(path)
            written[name] = content_hash(path)
            where = path.relative_to(self.root).as_posix()
            datasets[name] = {"path": where, "version": run, "file_sha256": file_hash(path)}
        code = {"commit": None, "dirty": None, "package": "", "nodes": {}, "modules": {},
                "notebooks": {}}  # fmt: skip
        dirty = hashlib.sha256(patch.encode()).hexdigest() if patch else None
        content = {
            "kind": "pipeline",
            "subject": {"pipelines": ["credit"], "env": None, "selection": {}},
            "environment": parts.get("environment", ENVIRONMENT),
            "code": {**code, "dirty": dirty, **parts.get("code", {})},
            "parameters": parts.get("parameters", {"depth": {"value": 4}}),
            "steps": parts.get("steps", {}),
            "data": {"read": parts.get("read", {}), "written": written},
            "outcome": "completed",
        }
        occasion = {"run": run, "datasets": datasets, "seconds": 3.0, "by": "<ada>"}
        path = self.root / "data/seal.json" / run / "seal.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(make_seal(content, occasion)))
        if patch:
            path.with_name("patch.diff").write_text(patch)
        return path

    def compare(self, *seals: Path) -> Difference:
        return compare_runs(self.root, *seals)


def as_json(content: Any) -> Any:
    return lambda path: path.write_text(json.dumps(content))
