"""Killed runs, a full disk, a read-only folder: nothing half-written, and the next run works."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from fin_kedro.project.evidence import open_catalog
from fin_kedro.project.run_locks import RunLocks
from fin_kedro.storage.whole_versions import DRAFTS
from tests.commands import Command, settled, start
from tests.conftest import QUIET, kedro, one_core
from tests.end_to_end import dying
from tests.end_to_end.kills import (
    RUN,
    check_database,
    check_ledger,
    check_no_process,
    check_versions,
    contents,
    seals,
)

pytestmark = pytest.mark.slow

Mount = Callable[[Path, str], None]


@pytest.fixture(scope="module")
def undisturbed(trained: Path) -> dict[str, str]:
    """Content of the datasets of a run that nobody disturbed."""
    return contents(trained / "data")


def check_whole(project: Path, data: Path, undisturbed: dict[str, str]) -> list[str]:
    """All that is visible is what an undisturbed run makes; return the names."""
    names = check_versions(data, undisturbed, set())
    _check_catalog(project)
    check_ledger(data / "governance/ledger.sqlite")
    check_database(data / "mlflow/mlflow.db")
    return names


def _check_catalog(project: Path) -> None:
    """The project's own catalog lists no draft."""
    catalog = open_catalog(project_path=project, env="ci")
    for name in ("credit.accepted", "credit.champion", "credit.candidate", "credit.roc_figure"):
        dataset = catalog[name]
        listed = dataset.list_versions(full_path=False)
        assert all(re.fullmatch(r"20[\d.T:Z-]+", version) for version in listed)


def drafts(data: Path) -> list[Path]:
    return sorted(data.rglob(f"{DRAFTS}*"))


def started(project: Path, stderr: int, *command: str) -> Command | subprocess.Popen[bytes]:
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(project / "src")}
    with Path(os.devnull).open("wb") as nothing:
        return start(
            command, folder=project, environment=settled(environment),
            stdout=nothing, stderr=stderr,
        )  # fmt: skip


@contextlib.contextmanager
def listening(project: Path, *command: str) -> Iterator[tuple[Any, IO[str]]]:
    """A command that was started, and what it says, as it says it."""
    reader, writer = os.pipe()
    process = started(project, writer, *command)
    os.close(writer)
    with os.fdopen(reader) as said:
        yield process, said


def kill_after(project: Path, nodes: int, wait: float) -> None:
    """Kill a run a moment after it finished so many nodes."""
    with listening(project, "-m", "kedro", *RUN) as (process, stderr):
        said: list[str] = []
        while sum(bool(re.match(r" +\d+/\d+ credit", line)) for line in said) < nodes:
            said.append(stderr.readline())
            assert said[-1], f"the run ended before it was killed: {''.join(said)}"
        time.sleep(wait)
        process.kill()
    assert process.wait() == -9


def kill_at_step(project: Path, step: int, folder: str = "data/0") -> None:
    """Kill a run in front of its n-th step in a folder."""
    command = (dying.__file__, str(step), str(project / folder), *RUN)
    with listening(project, *command) as (process, stderr):
        said = stderr.read()
    assert process.wait() == -9, said


def test_runs_killed_at_random_instants_leave_whole_versions_and_no_harm(
    project: Path, undisturbed: dict[str, str]
) -> None:
    draw, data = random.Random(20261122), project / "data"
    # on a fresh clone: before its first file, and while the files are made that come before nodes
    for step in sorted(draw.sample(range(1, 40), 3)):
        kill_at_step(project, step, "data")
        check_whole(project, data, undisturbed)
    for nodes in (draw.randint(0, 5), draw.randint(6, 13)):
        kill_after(project, nodes, draw.uniform(0, 0.4))
        check_whole(project, data, undisturbed)
    kill_at_step(project, draw.randint(10, 200))
    check_whole(project, data, undisturbed)
    check_no_process(project)
    assert set(seals(data).values()) <= {"failed"}

    refused = kedro_beside_another_run(project)
    assert "Error: credit is being run by the run another" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    assert "Traceback" not in refused.stderr
    run_after_another(project)
    names = check_whole(project, data, undisturbed)
    assert {name for name in undisturbed if "/credit/" in name} <= set(names)
    assert drafts(data) == []
    newest = max(seals(data))
    assert seals(data)[newest] == "completed"
    _check_mlflow(data / "mlflow/mlflow.db")


def kedro_beside_another_run(project: Path) -> subprocess.CompletedProcess[str]:
    """A run that is told not to wait, while this process runs the same workflow."""
    other = RunLocks(project / "data")
    other.take(["credit"], "another")
    result = kedro(project, *RUN, FIN_KEDRO_WAIT="no")
    other.release()
    assert result.returncode == 1
    return result


def run_after_another(project: Path) -> None:
    """A run that begins when the run of the same workflow in this process has ended."""
    other = RunLocks(project / "data")
    other.take(["credit"], "another")
    # one core: the run that it is compared with had them all
    with one_core(), listening(project, "-m", "kedro", *RUN) as (process, stderr):
        said = stderr.readline()
        while "begins when that one ends" not in said:
            line = stderr.readline()
            assert line, said
            said += line
        assert "credit.quarantine" not in said
        other.release()
        said += stderr.read()
    assert process.wait() == 0, said


def _check_mlflow(database: Path) -> None:
    """MLflow calls the last run finished and those killed KILLED."""
    connection = sqlite3.connect(database)
    rows = connection.execute(
        "SELECT r.status, t.value FROM runs r LEFT JOIN tags t "
        "ON t.run_uuid = r.run_uuid AND t.key = 'fin_kedro.process' ORDER BY r.start_time"
    ).fetchall()
    connection.close()
    tagged = [status for status, process in rows if process]
    assert tagged[-1] == "FINISHED"
    assert len(tagged) > 1
    assert set(tagged[:-1]) == {"KILLED"}


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a small file system in memory on a folder, or change one; skip where one may not.

    Continuous integration (CI=true) must be able to: what is skipped there, nobody tests.
    """
    mounted: list[Path] = []

    def act(folder: Path, options: str) -> None:
        again = folder in mounted
        folder.mkdir(parents=True, exist_ok=True)
        kind = [] if again else ["-t", "tmpfs"]
        options = f"remount,{options}" if again else options
        command = ["mount", *kind, "-o", options, *([] if again else ["tmpfs"]), str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or error
            words = f"a small file system cannot be mounted here: {said}"
            if os.environ.get("CI") == "true":
                pytest.fail(f"{words}. Next: run as root, in a container with CAP_SYS_ADMIN")
            pytest.skip(words)
        mounted.append(folder)

    yield act
    for folder in set(mounted):
        subprocess.run(["umount", str(folder)], check=True)


def on_disk(project: Path) -> Path:
    """Let the project keep its data on `disk`."""
    (project / "conf/ci/globals.yml").write_text("data: disk\n")
    return project / "disk"


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    project: Path, undisturbed: dict[str, str], mount: Mount
) -> None:
    data = on_disk(project)
    for size, where in (("5m", "credit/model_table.parquet was not saved"), ("8m", "credit")):
        mount(data, f"size={size}")
        result = kedro(project, *RUN)
        assert result.returncode == 1
        assert "The run stopped" in result.stderr
        assert "the disk is full" in result.stderr
        assert where in result.stderr
        assert f"MiB are free at {data}" in result.stderr
        assert "run again" in result.stderr
        assert "Traceback" not in result.stderr
        check_whole(project, data, undisturbed)
        assert drafts(data) == []
        assert set(seals(data).values()) <= {"failed"}
    mount(data, "size=100m")
    result = kedro(project, *RUN, "--to-nodes", "credit.export_graphs")
    assert result.returncode == 0, result.stderr
    assert "06_models/credit/champion.onnx" in check_whole(project, data, undisturbed)
    assert seals(data)[max(seals(data))] == "completed"


def test_a_read_only_folder_is_said_and_the_printed_command_goes_on(
    project: Path, undisturbed: dict[str, str], mount: Mount
) -> None:
    models = on_disk(project) / "06_models"
    mount(models, "size=20m,ro")
    stopped = kedro(project, *RUN, "--to-nodes", "credit.train_scorecard")
    assert stopped.returncode == 1
    assert f"{models} may not be written" in stopped.stderr
    assert "nothing of it is left" in stopped.stderr
    assert "Let this user write there" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    names = check_whole(project, project / "disk", undisturbed)
    assert "05_model_input/credit/model_table.parquet" in names
    assert set(seals(project / "disk").values()) == {"failed"}

    mount(models, "rw")
    command = re.search(r"resume when mended: kedro (.+)", stopped.stderr)
    assert command, stopped.stderr
    resumed = kedro(project, *shlex.split(command[1]))
    assert resumed.returncode == 0, resumed.stderr
    names = check_whole(project, project / "disk", undisturbed)
    assert names.count("05_model_input/credit/model_table.parquet") == 1
    assert "06_models/credit/scorecard.json" in names


def test_a_read_only_project_is_said_before_anything_starts(project: Path, mount: Mount) -> None:
    mount(on_disk(project), "size=5m,ro")
    result = kedro(project, *RUN)
    assert result.returncode == 1
    assert re.search(r"The run stopped: \S+/disk may not be written", result.stderr)
    assert "Traceback" not in result.stderr
    assert list((project / "disk").iterdir()) == []
