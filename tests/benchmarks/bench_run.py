"""`kedro run`: seconds, memory, and the share that is not the nodes' work; three rounds."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import QUIET, copy_project

from .conftest import Printer

ROUNDS = 3
SUMMARY = re.compile(r"(\d+) s in all: (\d+) s in (\d+) nodes, (\d+)% for everything else")


def one_run(project: Path) -> dict[str, Any]:
    """Run once; wait4 gives the peak memory of that process and no other's."""
    output = project / "run.txt"
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(project / "src")}
    start = time.perf_counter()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run"],
            cwd=project,
            env=environment,
            stdout=stream,
            stderr=stream,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text()
    assert process.returncode == 0, text
    found = SUMMARY.search(text)
    assert found, text
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB on Linux
    return {
        "wall": time.perf_counter() - start,
        "processor": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * scale / 2**30,
        "nodes": float(found[2]),
        "rest": float(found[4]),
    }


def bench_run(say: Printer, tmp_path: Path) -> None:
    """The notebook kernel of the validation node is a child; its memory is not in the peak."""
    rounds = [one_run(copy_project(tmp_path / f"round{i}")) for i in range(ROUNDS)]
    for found in rounds:
        say(
            "{wall:.0f} s, {processor:.0f} s of processor, {peak:.2f} GiB at most, "
            "{nodes:.0f} s in nodes, {rest:.0f} % for everything else".format(**found)
        )
    median = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    say(
        "median of {}: {wall:.0f} s, {peak:.2f} GiB, {rest:.0f} % for everything else "
        "(aims on 2 quiet cores: 120 s, 2 GiB, 15 %)".format(ROUNDS, **median)
    )
