"""Start-up of the sealed kernel beside IPython's own, and what its checks cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from sealed_kernel.code import code_state
from sealed_kernel.environment import compare
from tests.conftest import ROOT

from .conftest import Printer

ROUNDS = int(os.environ.get("ROUNDS", "15"))
START = ROOT / "notebooks/.lab/kernel/start.py"
COMMANDS = {
    "ipykernel": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "fin-kedro": [sys.executable, str(START), "-f", "{connection_file}"],
}


def start(command: list[str]) -> tuple[float, float]:
    """Seconds until a kernel has answered its first cell, and its processor seconds by then."""
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(argv=command, language="python", env={"PYTHONHASHSEED": "0"})
    begun = time.perf_counter()
    # as installed: bytecode is kept, also where this process was told to keep none
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    manager.start_kernel(cwd=str(ROOT / "notebooks"), stderr=subprocess.DEVNULL, env=environment)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    assert client.execute_interactive("1", timeout=60)["content"]["status"] == "ok"
    wall = time.perf_counter() - begun
    spent = psutil.Process(manager.provisioner.pid).cpu_times()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return wall, spent.user + spent.system + spent.children_user + spent.children_system


def bench_kernel_start(say: Printer) -> None:
    """From nothing to the first answer, in turns, in this checkout's notebooks folder."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            found[name].append(start(command))
    say(f"kernel from start to its first answer, {ROUNDS} starts in turns")
    bare = [statistics.median(column) for column in zip(*found["ipykernel"], strict=True)]
    for name, rounds in found.items():
        wall, spent = (statistics.median(column) for column in zip(*rounds, strict=True))
        least = min(wall for wall, _ in rounds)
        print(
            f"  {name:<10} {wall:5.2f} s, quickest {least:5.2f} s, processor {spent:5.2f} s"
            f"   {wall / bare[0]:4.2f} x, {spent / bare[1]:4.2f} x"
        )


def bench_kernel_checks(say: Printer) -> None:
    """Each check alone, warm; the comparison of files is on demand only."""
    lock = ROOT / "requirements.lock"
    say("checks of the kernel")
    for name, rounds, check in (
        ("versions against the lock", 20, lambda: compare(lock)),
        ("commit and changes", 20, lambda: code_state(Path(ROOT))),
        ("every installed file by hash", 1, lambda: compare(lock, hashes=True)),
    ):
        spent = []
        for _ in range(rounds):
            begun = time.perf_counter()
            check()
            spent.append(time.perf_counter() - begun)
        print(f"  {name:<30} {1000 * statistics.median(spent):8.1f} ms")
