"""A run of each workflow: seconds, memory, and the share that is not the nodes' work."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import QUIET, copy_project

from .conftest import Printer

ROUNDS = 3
# What is run, and what it may take on two quiet cores.
WORKFLOWS = {
    "credit": ("credit", "120 s, 2 GiB, 15 %"),
    "fraud": ("fraud_simulation,fraud", "240 s, 3 GiB"),
}
SUMMARY = re.compile(
    r"(\d+) s in all: (\d+) s in \d+ nodes, (\d+) s to import their libraries, "
    r"and (\d+)% of the time for everything else"
)


def memory(process: psutil.Process) -> int:
    """Bytes that a process and its children (the report's kernel) hold now."""
    held = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            held += each.memory_info().rss
    return held


def one_run(project: Path, pipelines: str) -> dict[str, Any]:
    """Run once, looking at the memory of all its processes four times a second."""
    output, peak, start = project / "run.txt", 0, time.perf_counter()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--pipelines", pipelines],
            cwd=project,
            env={**os.environ, **QUIET, "PYTHONPATH": str(project / "src")},
            stdout=stream,
            stderr=stream,
        )
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                peak = max(peak, memory(psutil.Process(process.pid)))
            time.sleep(0.25)
    text = output.read_text()
    assert process.returncode == 0, text
    found = SUMMARY.search(text)
    assert found, text
    return {
        "wall": time.perf_counter() - start,
        "peak": peak / 2**30,
        "nodes": float(found[2]),
        "rest": float(found[4]),
    }


@pytest.mark.parametrize("workflow", WORKFLOWS)
def bench_run(workflow: str, say: Printer, tmp_path: Path) -> None:
    """The first run in a project makes MLflow's tables; later ones do not."""
    project = copy_project(tmp_path / "project")
    pipelines, aims = WORKFLOWS[workflow]
    form = "{wall:.0f} s, {peak:.2f} GiB, {nodes:.0f} s in nodes, {rest:.0f} % for everything else"
    say(f"{workflow}, the first run: " + form.format(**one_run(project, pipelines)))
    rounds = [one_run(project, pipelines) for _ in range(ROUNDS)]
    median = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    say(f"{workflow}, median of {ROUNDS} later runs: {form.format(**median)}")
    say(f"aims on 2 quiet cores: {aims}")
