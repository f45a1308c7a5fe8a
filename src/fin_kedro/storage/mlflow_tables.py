"""MLflow's tables in SQLite: made beside their place and renamed, so none is ever half made.

MLflow makes them in some sixty steps (Alembic's), each of them lasting. A process that was killed
in between left ``_alembic_tmp_...`` tables, at which every later start failed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fin_kedro.storage.whole_versions import exclusive, whole_file

_SQLITE = "sqlite:///"
# what nobody may throw away, by the table that holds it
_KEPT = {
    "runs": "SELECT 1 FROM runs LIMIT 1",
    "_alembic_tmp_runs": "SELECT 1 FROM _alembic_tmp_runs LIMIT 1",
    "registered_models": "SELECT 1 FROM registered_models LIMIT 1",
}


def prepare_tables(settings: Mapping[str, Any]) -> Path | None:
    """Let MLflow's database and experiment be there, whole, before MLflow opens them.

    Processes that begin at the same time wait for the one that makes them. A database that an
    older version left half made, and that holds no run yet, is made anew.

    Args:
        settings: content of ``mlflow.yml``.

    Returns the database's path; None where MLflow keeps its runs elsewhere than in SQLite.
    Raises OSError or SQLite's errors when its folder is full or may not be written.
    """
    uri = str((settings.get("server") or {}).get("mlflow_tracking_uri") or "")
    name = uri.removeprefix(_SQLITE).partition("?")[0]
    if not uri.startswith(_SQLITE) or name in ("", ":memory:"):
        return None
    path = Path(name)
    experiment = (settings.get("tracking") or {}).get("experiment") or {}
    if _is_whole(path) and _has_experiment(path, experiment):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path.parent):
        if not _is_whole(path):
            with whole_file(path) as draft:
                _open(draft, experiment)
        elif not _has_experiment(path, experiment):
            _open(path, experiment)
    return path


def _is_whole(path: Path) -> bool:
    """Whether the tables are there, and no step of their making was cut off."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with _reading(path) as connection:
        tables = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        if not any(name.startswith("_alembic_tmp_") for name in tables):
            return "alembic_version" in tables or "runs" in tables
        # of an upgrade that was cut off: the runs in it are not ours to throw away
        kept = [words for name, words in _KEPT.items() if name in tables]
        return any(connection.execute(words).fetchone() for words in kept)


def _has_experiment(path: Path, experiment: Mapping[str, Any]) -> bool:
    if not experiment.get("name"):
        return True
    with _reading(path) as connection, contextlib.suppress(sqlite3.OperationalError):
        wanted = (str(experiment["name"]),)
        found = connection.execute("SELECT 1 FROM experiments WHERE name = ?", wanted)
        return found.fetchone() is not None
    return True  # tables of another version: MLflow says what is to be done with them


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # not read only: what a killed writer left in its journal must be taken back first
    connection = sqlite3.connect(path, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _open(path: Path, experiment: Mapping[str, Any]) -> None:
    """Let MLflow make its tables and the experiment at ``path``, and let go of the file."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"{_SQLITE}{path.as_posix()}", os.fspath(Path("mlruns")))
    try:
        if experiment.get("name"):
            given = dict(experiment.get("create_experiment_kwargs") or {})
            with contextlib.suppress(MlflowException):  # it was there, deleted: kedro-mlflow's turn
                store.create_experiment(
                    str(experiment["name"]), given.get("artifact_location"), _tags(given)
                )
    finally:
        store.engine.dispose()


def _tags(given: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import ExperimentTag

    return [ExperimentTag(name, str(value)) for name, value in (given.get("tags") or {}).items()]
