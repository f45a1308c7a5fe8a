"""Heads of the ledger that are kept outside its file: they tell of one rolled back or deleted.

A run's seal keeps the head as it was when the run ended, MLflow keeps it on each run and on each
version that was approved or released. A ledger that lacks one of these entries was replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fin_kedro.governance.signing import project_of

TAG = "ledger_anchors"
OCCASION = "ledgers"  # of a seal's occasion
SEALS = "08_reporting/seal.json"  # as conf/base lays the data folder out
BESIDE = "ledger.json"  # in a seal's folder
MLFLOW = "mlflow/mlflow.db"
NEWEST = 3  # seals that are read: names are times, and runs side by side end in any order
_SQLITE = "sqlite:///"
_TAGS = (
    ("MLflow's run ", "SELECT run_uuid, value FROM tags WHERE key = ?"),
    ("MLflow's model version ", "SELECT name || ' ' || version, value FROM model_version_tags "
     "WHERE key = ?"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """An entry of a ledger (``number`` and ``hash``), as it is kept ``where``."""

    number: int
    hash: str
    where: str


def name_of(ledger: Path | str) -> str:
    """What anchors call a ledger: its path, seen from its project."""
    path = Path(ledger).resolve()
    project = project_of(path)
    return Path(os.path.relpath(path, project.resolve())).as_posix() if project else path.as_posix()


def tag_of(heads: Mapping[Path, str] | Mapping[str, str]) -> dict[str, str]:
    """The tag that keeps heads (NUMBER:HASH) by the path of their ledger; none without heads."""
    named = {name_of(path): head for path, head in heads.items()}
    return {TAG: json.dumps(named, sort_keys=True)} if named else {}


def keep_heads(seal: Path, heads: Mapping[str, str]) -> None:
    """Keep heads beside a seal once it is entered: they know its own entry, too."""
    named = {name_of(path): head for path, head in heads.items()}
    seal.with_name(BESIDE).write_text(json.dumps(named, sort_keys=True), encoding="utf-8")


def visible_anchors(ledger: Path) -> list[Anchor]:
    """What seals on disk and MLflow's own database keep of a ledger, the newest entry first.

    A record that cannot be read keeps nothing: whoever can spoil it could delete it as well. A
    tracking server is not asked; its tags are for people and for `kedro seal check --head`.
    """
    name = name_of(ledger)
    kept = [*_in_seals(ledger), *_in_mlflow(ledger)]
    found = [a for where, heads in kept if (a := _anchor(where, heads, name))]
    return sorted(found, key=lambda anchor: anchor.number, reverse=True)


def _anchor(where: str, heads: Any, name: str) -> Anchor | None:
    head = heads.get(name) if isinstance(heads, dict) else None
    number, _, digest = str(head).partition(":")
    if not number.isdecimal():
        return None
    return Anchor(number=int(number), hash=digest, where=where)


def _in_seals(ledger: Path) -> Iterator[tuple[str, Any]]:
    folder = ledger.parent.parent / SEALS
    if not folder.is_dir():
        return
    for run in sorted(os.listdir(folder), reverse=True)[:NEWEST]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            seal = json.loads((folder / run / folder.name).read_text(encoding="utf-8"))
            yield f"the seal of run {run}", seal["occasion"][OCCASION]
        with contextlib.suppress(OSError, ValueError):
            beside = json.loads((folder / run / BESIDE).read_text(encoding="utf-8"))
            yield f"the seal of run {run}", beside


def _in_mlflow(ledger: Path) -> Iterator[tuple[str, Any]]:
    for database in _databases(ledger):
        address = f"file:{quote(str(database))}?mode=ro"
        with (
            contextlib.suppress(sqlite3.Error),  # not MLflow's, or not made yet
            contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection,
        ):
            for where, statement in _TAGS:
                for name, text in connection.execute(statement, (TAG,)):
                    with contextlib.suppress(ValueError):
                        yield f"{where}{name}", json.loads(text)


def _databases(ledger: Path) -> list[Path]:
    """MLflow's files: the one of the data folder, and the one in use. MLflow is not imported.

    One in use that lies elsewhere may be another project's, whose ledger has the same name.
    """
    mlflow, project = sys.modules.get("mlflow"), project_of(ledger.resolve())
    address = str(mlflow.get_tracking_uri()) if mlflow is not None else ""
    used = [Path(address.removeprefix(_SQLITE)).resolve()] if address.startswith(_SQLITE) else []
    ours = [p for p in used if project is not None and p.is_relative_to(project.resolve())]
    own = ledger.parent.parent / MLFLOW
    return [path for path in dict.fromkeys((own, *ours)) if path.is_file()]
