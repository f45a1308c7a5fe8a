"""Shared fixtures: a copy of the project, and one in which the credit workflow has run once."""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sealed_kernel.warm import ADDRESS as WARM_HOST
from tests import commands, needs

# In a worker of xdist `__main__` has no file; pyspark takes that for its own doctests and exits.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = pytest.__file__

# Tests share two cores with others: how long an example takes says nothing about the code.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")

ROOT = Path(__file__).parents[1]
COPIED = (
    "src",
    "conf",
    "notebooks",
    "bentos",
    "data/01_raw",
    "pyproject.toml",
    "requirements.lock",
    ".telemetry",
)
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "ORT_DISABLE_TELEMETRY": "1",
    "FIN_KEDRO_USER": "trainer",
    "COLUMNS": "110",
}
os.environ.update(QUIET)
# Tests sign ledgers in scratch folders by a key of their own, and enter no notebook in the
# checkout's ledger. Commands in a copy of the project (`kedro` below) do as they do for anybody.
KEYS = tempfile.TemporaryDirectory(prefix="fin-kedro-keys-")
OWN = {"FIN_KEDRO_SIGNING_KEY": f"{KEYS.name}/signing_key.pem", "FIN_KEDRO_SCRATCH": "1"}
os.environ.update(OWN)

Kedro = Callable[..., subprocess.CompletedProcess[str]]


def copy_project(target: Path) -> Path:
    """Copy what a run reads, its code included, so that a test may change any of it."""
    for name in COPIED:
        source, destination = ROOT / name, target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source,
                destination,
                # compiled code goes along: each first command in a copy would compile all anew
                ignore=shutil.ignore_patterns(".ipynb_checkpoints", "local"),
            )
        else:
            shutil.copy2(source, destination)
    (target / "conf/local").mkdir(exist_ok=True)
    return target


def kedro(
    project: Path, *arguments: str, cold: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a kedro command in a project, as a person would type it.

    A server that has imported the libraries forks it, unless it is to be `cold`.
    """
    apart = {*OWN, commands.ADDRESS}
    inherited = {name: value for name, value in os.environ.items() if name not in apart}
    return commands.run(
        ["-m", "kedro", *arguments],
        folder=project,
        environment={
            **inherited, **QUIET, "PYTHONPATH": str(project / "src"), **environment,
        },
        cold=cold,
    )  # fmt: skip


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Commands started inside have one core (where the system can say so)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One test process at a time (xdist workers share the trained project)."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _no_run_left_open() -> Iterator[None]:
    """Close MLflow runs that a test opened: logging outside a run opens one without a word."""
    yield
    if "mlflow.tracking.fluent" not in sys.modules:
        return
    import mlflow

    while mlflow.active_run():
        # the test's own store may no longer be the one in force; the run is taken off all the same
        with contextlib.suppress(mlflow.MlflowException):
            mlflow.end_run()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long go first, so that at the end no worker waits for the other.

    Of those, the files that need the trained project go last: while one worker trains it, the
    other has something to do. (`make test` tells xdist to keep this order.)
    """
    place: dict[Path, tuple[bool, bool]] = {}
    for item in items:
        quick, late = place.get(item.path, (True, False))
        slow = item.get_closest_marker("slow") is not None
        place[item.path] = (quick and not slow, late or "trained" in _fixtures(item))
    items.sort(key=lambda item: place[item.path])


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", []))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Compile the code once, for all copies that tests make of it; serve commands."""
    compileall.compile_dir(ROOT / "src", quiet=1)
    commands.serve()  # before xdist starts its workers, so that they share it


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, as commands do (`fin_kedro.settle`).

    Each collection looks a million lasting objects through again: a fifth of the seconds of
    tests that make many small objects, as Ibis and sqlglot do.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_unconfigure() -> None:
    """End what was started for the tests of this process."""
    needs.stop()
    commands.stop()


@pytest.fixture
def forked_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that this process starts are forked, where how they start is not what is tested."""
    monkeypatch.setenv(WARM_HOST, str(commands.kernels()))


@pytest.fixture(scope="session")
def java() -> None:
    """Spark can run; see `tests.spark.needs_java`."""
    needs.java()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy of the project; nothing has run in it."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project in which ``kedro run --env ci`` succeeded once; read only, copy it to change it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    target = shared / "trained"
    with _lock(Path(f"{target}.lock")):
        if not (target / "run.txt").exists():
            shutil.rmtree(target, ignore_errors=True)
            copy_project(target)
            result = kedro(target, "run", "--env", "ci")
            assert result.returncode == 0, result.stdout + result.stderr
            (target / "run.txt").write_text(result.stdout + result.stderr)
    return target


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A private copy of the trained project."""
    target = tmp_path / "trained"
    shutil.copytree(trained, target, symlinks=True)
    return target
