"""Today's build beside an earlier one: figures of both credit runs, and the time of one row.

    python -m tests.benchmarks.build_before REVISION

takes the earlier build from git, runs credit in both on the embedded data in this environment, and
then lets both score the same golden rows, in turns in the same minute. Prints a Markdown table.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROUNDS = 15
FIGURES = ("DIS-AUC", "DIS-KS", "CAL-ECE", "CAL-SLOPE", "FAI-AIR-SEX", "FAI-AIR-AGE")
# Runs in a build's own code: scores each golden row many times whenever a line comes in.
SCORING = """
import sys, time
from pathlib import Path
from fin_kedro.serving.scorer import Scorer
scorer = Scorer.from_package(Path(sys.argv[1]))
rows = [item["application"] for item in scorer.package.golden]
for _ in range(3):
    for row in rows:
        scorer.score([row])
for _ in sys.stdin:
    begin = time.process_time()
    for _ in range(40):
        for row in rows:
            scorer.score([row])
    print((time.process_time() - begin) / (40 * len(rows)), flush=True)
"""


def main(revision: str) -> None:
    """Run both builds, score in turns, print."""
    with tempfile.TemporaryDirectory(prefix="builds-") as folder:
        builds = [_build(Path(folder) / name, rev) for name, rev in
                  (("before", revision), ("after", "HEAD"))]  # fmt: skip
        try:
            for build in builds:
                _python(build, "-m", "kedro", "run", "--pipelines", "credit")
            figures = [_figures(build) for build in builds]
            seconds = _in_turns(builds)
        finally:
            for build in builds:
                _git("worktree", "remove", "--force", str(build))
    print(f"| | {revision} | today |\n|---|---|---|")
    for code in FIGURES:
        print(f"| {code} | {figures[0].get(code, '-')} | {figures[1].get(code, '-')} |")
    medians = [1e6 * statistics.median(times) for times in seconds]
    ratio = statistics.median(b / a for a, b in zip(*seconds, strict=True))
    print(
        f"| one row, processor time | {medians[0]:.1f} µs | {medians[1]:.1f} µs ({ratio:.3f} x) |"
    )


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True
    ).stdout


def _build(folder: Path, revision: str) -> Path:
    _git("worktree", "add", "--detach", "--quiet", str(folder), revision)
    return folder


def _environment(build: Path) -> dict[str, str]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": str(build / "src"), "DO_NOT_TRACK": "1"}


def _python(build: Path, *words: str) -> None:
    command, env = [sys.executable, *words], _environment(build)
    done = subprocess.run(command, cwd=build, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(words)} in {build}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        )


def _figures(build: Path) -> dict[str, str]:
    """Figures of the champion by the code of their check, each with its interval."""
    [path] = build.glob("data/08_reporting/credit/verdicts.json/*/verdicts.json")
    verdicts = json.loads(path.read_text())["verdicts"]
    return {v["code"]: _figure(v) for v in verdicts if v["value"] is not None}


def _figure(verdict: dict[str, Any]) -> str:
    ends = [verdict["low"], verdict["high"]]
    interval = "" if None in ends else f" [{ends[0]:.3f}, {ends[1]:.3f}]"
    return f"{verdict['value']:.4f}{interval}"


def _in_turns(builds: list[Path]) -> list[list[float]]:
    """Seconds of one row, of each build, round by round."""
    processes = []
    for build in builds:
        [package] = build.glob("data/06_models/credit/package/*/package")
        command = [sys.executable, "-c", SCORING, str(package)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started = subprocess.Popen(command, cwd=build, env=_environment(build), text=True, **pipes)
        processes.append(started)
    spent: list[list[float]] = [[] for _ in builds]
    for place in range(ROUNDS * len(builds)):
        one = (place + place // len(builds)) % len(builds)  # each goes first in half the rounds
        process = processes[one]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        spent[one].append(float(process.stdout.readline()))
    for process in processes:
        process.communicate()
    return spent


if __name__ == "__main__":
    main(sys.argv[1])
