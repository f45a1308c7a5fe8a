"""What a command costs in processor seconds, everything that it starts included.

    python .ci/cost.py REPORT -- COMMAND ...      runs COMMAND; its exit status is this one's
    python .ci/cost.py --sum FOLDER               prints the costs in FOLDER, holds the limit

REPORT is a JSON file: seconds of user and system, and what was left running. Wall clock is not
asked: on a machine that others use, too, it says more about them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

LIMITS = Path(__file__).with_name("limits.toml")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux
PATIENCE = 20.0  # seconds that what the command left behind has to end by itself
TICKS = os.sysconf("SC_CLK_TCK")


def adopt() -> None:
    """Make whatever loses its parent below this process a child of this process."""
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def run(command: list[str]) -> dict[str, object]:
    """Run a command and wait for it and all its descendants; ``{status, seconds, left}``.

    A process that was waited for counts with those that it had waited for, so the sum over this
    process's children, adopted ones included, is the sum over all. Nothing is counted twice.
    """
    adopt()
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal's Ctrl-C the command hears itself
    status, seconds, ended = None, 0.0, 0.0
    left: dict[str, float] = {}
    while True:
        try:
            pid, code, used = os.wait4(-1, 0 if status is None else os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            seconds += used.ru_utime + used.ru_stime
        if pid == process.pid:
            status, ended = os.waitstatus_to_exitcode(code), time.monotonic()
        elif not pid and time.monotonic() - ended > PATIENCE:
            left |= end_children()
        elif not pid:
            time.sleep(0.05)
    process.returncode = status  # reaped here: Popen shall not wait for it
    return {"status": status, "seconds": round(seconds, 2), "left": left}


def end_children() -> dict[str, float]:
    """Kill what still runs below this process; what each was called, with its seconds so far."""
    found = {}
    for pid in children(os.getpid()):
        for one in (pid, *descendants(pid)):
            with contextlib.suppress(OSError, IndexError, ValueError):
                words = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ")
                fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
                if words:  # it has not ended just now
                    name = words.decode(errors="replace")[:100]
                    found[name] = sum(map(int, fields[11:13])) / TICKS
            with contextlib.suppress(OSError):
                os.kill(one, signal.SIGKILL)
    return found


def children(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Process ids of everything below a process."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def limit() -> float:
    """Units that one `.ci/run` may cost."""
    return float(tomllib.loads(LIMITS.read_text("utf-8"))["cost"]["units"])


def summary(folder: Path) -> tuple[list[str], bool]:
    """Lines about the costs that lie in a folder, and whether they are within the limit.

    ``unit-*.json``: measured units. Every other report is a step, in the order in which they were
    written.
    """
    reports = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in reports}
    measured = sorted(r["seconds"] for name, r in found.items() if name.startswith("unit-"))
    steps = {n: r for n, r in found.items() if not n.startswith("unit-")}
    if not measured or not steps:
        return ["Cost: nothing was measured."], False
    middle = (measured[(len(measured) - 1) // 2] + measured[len(measured) // 2]) / 2
    lines = [
        f"  {name:<10} {step['seconds'] / middle:6.1f} units {step['seconds']:8.0f} s"
        for name, step in steps.items()
    ]
    lines += [f"  left running by {n}: {w}" for n, s in steps.items() for w in s["left"]]
    seconds = sum(step["seconds"] for step in steps.values())
    units, most = seconds / middle, limit()
    within = units <= most
    word = "within" if within else "ABOVE"
    lines.append(
        f"Cost: {units:.1f} units, {word} the limit of {most:g} (.ci/limits.toml); a unit is "
        f"{middle:.1f} processor seconds here, of {seconds:.0f}."
    )
    return lines, within


def main(arguments: list[str]) -> int:
    if arguments[0] == "--sum":
        lines, within = summary(Path(arguments[1]))
        print("\n".join(lines))
        return 0 if within else 1
    report, _, *command = arguments
    found = run(command)
    Path(report).write_text(json.dumps(found) + "\n", "utf-8")
    status = found["status"]
    assert isinstance(status, int)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
