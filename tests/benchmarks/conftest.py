"""Shared by the benchmarks. `make bench` runs them; `make test` does not collect bench_*.py.

They print ratios and assert none: figures of a shared machine say little in seconds. What is
compared is measured in the same run, in turns, and the median of the turns is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import needs
from tests.conftest import copy_project, kedro

Printer = Callable[[str], None]


@pytest.fixture(scope="session")
def tools_found_last() -> None:
    """LMDB, a candidate, for this process alone: kernels and commands stay as locked."""
    sys.path.append(str(needs.tools()))


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole credit workflow has run once."""
    project = copy_project(tmp_path_factory.mktemp("bench") / "project")
    done = kedro(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Printer:
    """Print a line under the benchmark's own name."""
    name = request.node.name.removeprefix("bench_")
    return lambda line: print(f"\n[{name}] {line}", flush=True)
