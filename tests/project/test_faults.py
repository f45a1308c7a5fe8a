"""What a disk does, said in a sentence; what a killed process leaves in MLflow, set right."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import psutil
import pytest
from kedro.io import DatasetError

from fin_kedro.project import faults
from fin_kedro.storage.whole_versions import StorageError, plain_sentence

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a process that tells faults plainly."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(faults, "_place", {"data": Path()})
    faults.tell_plainly(tmp_path)
    return tmp_path


def caused(error: Exception, *causes: Exception) -> Exception:
    """An error with a chain of causes."""
    outer: BaseException = error
    for cause in causes:
        outer.__cause__ = cause
        outer = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        caused(DatasetError("Failed while saving"), sqlite3.OperationalError("disk is full"), FULL),
        RuntimeError("IO Error: Could not write file 'x': No space left on device"),
        caused(RuntimeError("in MLflow"), sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_a_full_disk_is_said_with_the_room_there_is(error: Exception, data: Path) -> None:
    sentence = faults.explain(error)
    assert sentence is not None
    assert sentence.startswith("the disk is full (")
    assert f"MiB are free at {data}" in sentence
    assert sentence.endswith("make room, then run again.")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system"),
        PermissionError(errno.EACCES, "Permission denied"),
        caused(
            RuntimeError("MLflow"), sqlite3.OperationalError("attempt to write a readonly database")
        ),
    ],
)
def test_a_forbidden_folder_is_said_with_the_way_out(error: Exception, data: Path) -> None:
    sentence = faults.explain(error)
    assert sentence is not None
    assert sentence.startswith(f"{data} may not be written (")
    assert "let this user write there" in sentence


def test_the_folder_that_an_error_names_is_the_one_that_is_said(data: Path) -> None:
    there = data / "there"
    there.mkdir()
    named = OSError(errno.EROFS, "Read-only file system", str(there / "deep" / "file"))
    assert str(faults.explain(named)).startswith(f"{there} may not be written")


def test_what_a_version_says_of_itself_is_kept(data: Path) -> None:
    inner = StorageError("the disk is full: version 1 was not saved")
    assert faults.explain(caused(RuntimeError("a hook failed"), inner, FULL)) == str(inner)


@pytest.mark.parametrize("error", [ValueError("no column x"), OSError(errno.ENOENT, "not there")])
def test_other_errors_are_not_explained_away(error: Exception, data: Path) -> None:
    assert faults.explain(error) is None
    assert plain_sentence(error, data / "a.json" / "1" / "a.json") is None


def test_a_permission_denied_elsewhere_is_not_blamed_on_the_datasets_folder(data: Path) -> None:
    path = data / "a.json" / "1" / "a.json"
    assert plain_sentence(PermissionError(errno.EACCES, "Permission denied"), path) is None


SCRIPT = """
import sys
from pathlib import Path
from fin_kedro.project.faults import tell_plainly
tell_plainly(Path("."))
tell_plainly(Path("."))
try:
    raise OSError(28, "No space left on device")
except OSError as error:
    raise RuntimeError("a table of MLflow") from error
"""


@pytest.mark.parametrize("shown", [True, False])
def test_a_process_ends_with_a_sentence_or_on_request_a_traceback(
    shown: bool, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"FIN_KEDRO_TRACEBACK": "1"} if shown else {}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert ("Traceback" in result.stderr) is shown
    assert result.stderr.count("The run stopped: the disk is full") == (0 if shown else 1)


def test_mlflows_own_report_of_a_full_disk_is_left_out(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("mlflow.store.db.utils")
    logger.error("SQLAlchemy database error: %s", "(sqlite3) database or disk is full")
    logger.error("SQLAlchemy database error: %s", "(sqlite3) no such table: runs")
    assert [record.getMessage()[-20:] for record in caplog.records] == [" no such table: runs"]


# runs that were killed


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[mlflow.MlflowClient]:
    """MLflow on a database of its own."""
    while mlflow.active_run():  # logging outside a run starts one, and another test may have
        mlflow.end_run()
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


def test_only_runs_of_dead_processes_of_this_machine_are_closed(
    tracking: mlflow.MlflowClient,
) -> None:
    assert faults.close_killed_runs() == []  # outside a run
    own = faults._this_process()
    host, pid, began = own.rsplit(" ", 2)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    alive = psutil.Process(os.getppid())
    processes = {
        "dead": f"{host} {dead.pid} {began}",
        "reused number": f"{host} {pid} {float(began) - 1000:.2f}",
        "alive": f"{host} {alive.pid} {alive.create_time():.2f}",
        "elsewhere": f"another-{host} {dead.pid} {began}",
    }
    runs = {name: tracking.create_run("0").info.run_id for name in [*processes, "not ours"]}
    for name, process in processes.items():
        tracking.set_tag(runs[name], faults.PROCESS, process)
    with mlflow.start_run(experiment_id="0") as active:  # another test may have chosen its own
        closed = faults.close_killed_runs()
        assert set(closed) == {runs["dead"], runs["reused number"]}
        assert faults.close_killed_runs() == []
        assert tracking.get_run(active.info.run_id).data.tags[faults.PROCESS] == own
    states = {name: tracking.get_run(run_id).info.status for name, run_id in runs.items()}
    assert {name for name, state in states.items() if state == "RUNNING"} == {
        "alive", "elsewhere", "not ours",
    }  # fmt: skip
    assert {states["dead"], states["reused number"]} == {"KILLED"}
