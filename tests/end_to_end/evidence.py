"""What a run left in a project, for assertions."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any


def newest(folder: Path) -> Path:
    """The newest version of a dataset: ``.../name`` holds ``<version>/name``."""
    found = sorted(path for path in folder.glob(f"*/{folder.name}"))
    assert found, f"no version in {folder}"
    return found[-1]


def read_json(folder: Path) -> Any:
    """The newest version of a JSON dataset."""
    return json.loads(newest(folder).read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """Hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ledger_events(ledger: Path, workflow: str = "credit") -> list[str]:
    """The ledger's events of one workflow in order; none when there is no ledger."""
    if not ledger.exists():
        return []
    connection = sqlite3.connect(ledger)
    try:
        rows = connection.execute("SELECT event FROM ledger ORDER BY number").fetchall()
    finally:
        connection.close()
    entries = [json.loads(text) for (text,) in rows]
    return [entry["event"] for entry in entries if entry.get("workflow") == workflow]


def written(project: Path) -> set[str]:
    """Every file below the project's data folders that a run may write, raw data aside."""
    data = project / "data"
    return {
        path.relative_to(data).as_posix()
        for path in data.rglob("*")
        if path.is_file() and not {"01_raw", "mlflow"} & set(path.relative_to(data).parts[:2])
    }
