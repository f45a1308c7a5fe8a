"""MLflow's tables are there whole or not at all, whatever stops their maker."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.storage.mlflow_tables import prepare_tables
from fin_kedro.storage.whole_versions import DRAFTS


def settings(path: Path, name: str = "trials") -> dict[str, Any]:
    kept = {"artifact_location": (path.parent / "artifacts").as_posix(), "tags": {"team": "risk"}}
    experiment = {"name": name, "create_experiment_kwargs": kept}
    server = {"mlflow_tracking_uri": f"sqlite:///{path.as_posix()}"}
    return {"server": server, "tracking": {"experiment": experiment}}


def experiments(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, artifact_location FROM experiments ORDER BY name")
    found = rows.fetchall()
    connection.close()
    return found


def die_at_statement(number: int) -> None:
    """Kill this process in front of the n-th statement that it sends to any database."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    seen = 0

    def count(*_: object, **__: object) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)


def killed_while_making(path: Path, number: int) -> None:
    """Fork a process that makes the tables and dies in front of its n-th statement."""
    pid = os.fork()
    if pid == 0:
        die_at_statement(number)
        prepare_tables(settings(path))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_a_kill_while_the_tables_are_made_leaves_none_and_the_next_start_makes_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mlflow/mlflow.db"
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # once, not in each fork

    for number in (1, 70, 333):
        killed_while_making(path, number)
        assert not path.exists()
        assert len(list(path.parent.glob(f"{DRAFTS}*"))) == 1, "what the last one left"
    assert prepare_tables(settings(path)) == path
    assert list(path.parent.iterdir()) == [path], "leftovers are swept"
    artifacts = (tmp_path / "mlflow/artifacts").as_posix()
    assert ("trials", artifacts) in experiments(path)
    _another_experiment(path)
    _half_made_by_an_older_version(path)


def _another_experiment(path: Path) -> None:
    before = path.stat().st_ino
    prepare_tables(settings(path))
    prepare_tables(settings(path, "renamed"))
    assert path.stat().st_ino == before, "tables that are there stay"
    assert [name for name, _ in experiments(path)] == ["Default", "renamed", "trials"]


def _half_made_by_an_older_version(path: Path) -> None:
    """One without a run is made anew; one with runs is MLflow's, and the user's, to mend."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE _alembic_tmp_tags (key TEXT)")
    connection.execute("INSERT INTO registered_models (name) VALUES ('credit')")
    connection.commit()
    before = path.stat().st_ino
    prepare_tables(settings(path))
    assert path.stat().st_ino == before
    connection.execute("DELETE FROM registered_models")
    connection.commit()
    connection.close()
    prepare_tables(settings(path))
    assert path.stat().st_ino != before
    assert [name for name, _ in experiments(path)] == ["Default", "trials"]


@pytest.mark.parametrize(
    "content", [{}, {"server": None}, {"server": {"mlflow_tracking_uri": "http://127.0.0.1:5000"}},
                {"server": {"mlflow_tracking_uri": "sqlite:///:memory:"}}],
)  # fmt: skip
def test_runs_that_are_kept_elsewhere_are_none_of_our_business(content: dict[str, Any]) -> None:
    assert prepare_tables(content) is None
