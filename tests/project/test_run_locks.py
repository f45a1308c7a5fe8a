"""One run of a workflow at a time, and no lock outlives its process."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from fin_kedro.project.run_locks import FOLDER, WAIT, RunLockError, RunLocks, owner, waits


def another_process(data: Path, *workflows: str) -> int:
    """A process that holds these locks until it is killed; returns once it holds them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        RunLocks(data).take(workflows, "2026-01-01T00.00.00.000Z")
        os.write(writer, b"held")
        signal.pause()
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        assert told.read(4) == b"held"
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_second_run_is_told_who_is_at_work_and_another_workflow_goes_beside_it(
    tmp_path: Path,
) -> None:
    pid = another_process(tmp_path, "credit")
    locks = RunLocks(tmp_path)
    try:
        locks.take(["fraud"], "mine", wait=False)
        with pytest.raises(RunLockError, match=f"process {pid} on ") as refused:
            locks.take(["fraud", "credit"], "mine", wait=False)
        assert "credit is being run by the run 2026-01-01T00.00.00.000Z" in str(refused.value)
        RunLocks(tmp_path).take(["fraud"], "whoever is refused holds nothing", wait=False)
        RunLocks(tmp_path / "elsewhere").take(["credit"], "other data", wait=False)
    finally:
        kill(pid)
    locks.take(["credit"], "mine", wait=False)  # the lock of a killed process is no lock
    held = json.loads((tmp_path / FOLDER / "credit.lock").read_text())
    assert (held["run"], held["pid"]) == ("mine", os.getpid())


def test_a_second_run_waits_and_begins_when_the_first_has_ended(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = another_process(tmp_path, "credit", "fraud")
    locks, begun = RunLocks(tmp_path), threading.Event()

    def second() -> None:
        locks.take(["fraud", "credit"], "second")
        begun.set()

    thread = threading.Thread(target=second)
    thread.start()
    said = ""
    while "begins when that one ends" not in said:  # it is at the lock now
        said += capfd.readouterr().err
        assert not begun.is_set()
    assert f"process {pid} on" in said
    kill(pid)
    thread.join()
    assert begun.is_set()
    assert "run second" in owner(tmp_path / FOLDER / "fraud.lock")
    locks.release()
    RunLocks(tmp_path).take(["credit", "fraud"], "third", wait=False)


def test_whether_to_wait_is_a_setting_and_a_lock_without_words_has_an_owner_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WAIT, raising=False)
    assert waits()
    for word in ("no", "0"):
        monkeypatch.setenv(WAIT, word)
        assert not waits()
    assert "just begun" in owner(tmp_path / "none.lock")
