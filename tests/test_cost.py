"""What CI says a command costs: everything that it starts, in whatever way, and nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_tree import ROOT, load

cost = load("cost")
BURN = "import os\nwhile sum(os.times()[:2]) < {seconds}: pass\n"
# two forks, so that the worker has no parent of its own and nobody waits for it
DAEMON = (
    "import os, sys\nif os.fork(): sys.exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n" + BURN
)
CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])\n"
# leaves a process behind once that has said that it has worked
LEAVER = (
    "import subprocess, sys\n"
    "p = subprocess.Popen([sys.executable, '-c', {code!r}], stdout=subprocess.PIPE)\n"
    "p.stdout.readline()\n"
)


def measured(tmp_path: Path, code: str, patience: float = 20.0) -> tuple[int, dict[str, Any]]:
    """Exit status and report of a Python program, measured by a process of its own."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-c", code]
    run = (
        f"import runpy, sys; sys.argv = {['cost', str(report), '--', *command]!r}; "
        f"sys.path.insert(0, {str(ROOT / '.ci')!r}); import cost; cost.PATIENCE = {patience}; "
        "sys.exit(cost.main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", run], check=False, capture_output=True)
    return done.returncode, json.loads(report.read_text("utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        BURN.format(seconds=0.6),
        CHILD.format(code=BURN.format(seconds=0.6)),
        DAEMON.format(seconds=0.6),
        CHILD.format(code=DAEMON.format(seconds=0.6)),
    ],
    ids=["itself", "a child", "a daemon", "a child's daemon"],
)
def test_everything_that_a_command_starts_counts_once(tmp_path: Path, code: str) -> None:
    status, report = measured(tmp_path, code)
    assert status == 0
    assert report["left"] == {}
    assert 0.6 <= report["seconds"] < 1.1, "and the start of two interpreters"


def test_what_is_left_running_is_ended_and_named_and_counts(tmp_path: Path) -> None:
    waits = BURN.format(seconds=0.5) + "print(flush=True)\nimport time\ntime.sleep(600)"
    status, report = measured(tmp_path, LEAVER.format(code=waits), patience=0.1)
    assert status == 0
    [(words, seconds)] = report["left"].items()
    assert "-c import os" in words and 0.4 <= seconds <= report["seconds"]


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_status_is_the_commands(tmp_path: Path, code: str, status: int) -> None:
    assert measured(tmp_path, code)[0] == status


def costs(folder: Path, **seconds: float) -> Path:
    """A folder of reports."""
    for name, value in seconds.items():
        report = {"seconds": value, "left": {}}
        (folder / f"{name.replace('_', '-')}.json").write_text(json.dumps(report))
    return folder


def test_costs_are_given_in_the_median_of_the_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = costs(tmp_path, unit_a=40, test=400, unit_b=50, check=45, unit_c=90)
    assert cost.main(["--sum", str(folder)]) == 0
    *steps, last = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in steps] == [["test", "8.0"], ["check", "0.9"]]
    assert last.startswith(f"Cost: 8.9 units, within the limit of {cost.limit():g} ")


def test_above_the_limit_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cost.main(["--sum", str(costs(tmp_path, unit_a=40, test=cost.limit() * 40 + 1))]) == 1
    assert "ABOVE the limit" in capsys.readouterr().out


def test_nothing_measured_fails(tmp_path: Path) -> None:
    assert cost.main(["--sum", str(tmp_path)]) == 1


def test_the_unit_knows_nothing_of_this_project() -> None:
    text = (ROOT / ".ci/unit.py").read_text("utf-8")
    assert "fin_kedro" not in text.partition('"""')[2].partition('"""')[2]
    assert "import fin_kedro" not in text and "sealed_kernel" not in text
