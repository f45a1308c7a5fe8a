"""Plants faults one by one in a scratch checkout and runs the tests that should find them.

    python .ci/planted.py [--tree FOLDER] [--only WORD] [--workers 2]

FOLDER is a checkout (this one by default, with what is not committed in it left out). The faults
stand in .ci/planted_faults.yml. Exit status 1 when a fault is found by no test, or cannot be
planted. The tests run once without any fault first: one that fails by itself would show nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FAULTS = ROOT / ".ci/planted_faults.yml"
LONGEST = 900  # seconds; a fault may make a test wait for ever


@contextmanager
def checkout(tree: Path) -> Iterator[Path]:
    """A scratch copy of what is committed in `tree`; it is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        archive = subprocess.run(
            ["git", "archive", "HEAD"],  # noqa: S607
            cwd=tree, capture_output=True, check=True,
        ).stdout  # fmt: skip
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)  # noqa: S607
        yield Path(folder)


def place_of(fault: Mapping[str, Any], copy: Path) -> Path:
    """The one file in src that holds the piece of code; ValueError when it is not one."""
    files = sorted((copy / "src").rglob("*.py"))
    found = [file for file in files if fault["was"] in file.read_text("utf-8")]
    if len(found) != 1 or found[0].read_text("utf-8").count(fault["was"]) != 1:
        raise ValueError(f"stands in {len(found)} files of src, not once: {fault['was']!r}")
    return found[0]


def tests_of(fault: Mapping[str, Any], copy: Path) -> list[str]:
    """The test files that a fault names; ValueError when there is none."""
    found = [path for name in fault["tests"] for path in (copy / "tests").rglob(f"{name}.py")]
    if not found:
        raise ValueError(f"no test file is called {', '.join(fault['tests'])}")
    return sorted({path.relative_to(copy).as_posix() for path in found})


def find(fault: Mapping[str, Any], tree: Path) -> tuple[str, str, float]:
    """Plant one fault: `found`, `NOT FOUND` or why not planted; its file; seconds it took."""
    start = time.monotonic()
    with checkout(tree) as copy:
        try:
            place, tests = place_of(fault, copy), tests_of(fault, copy)
        except ValueError as error:
            return str(error), "", 0.0
        text = place.read_text("utf-8")
        place.write_text(text.replace(fault["was"], fault["becomes"]), "utf-8")
        (copy / "conf/local").mkdir(exist_ok=True)
        status = _pytest(copy, tests)
        said = {0: "NOT FOUND", 1: "found"}.get(status, f"pytest ended with {status}")
        return said, place.relative_to(copy).as_posix(), time.monotonic() - start


def _pytest(copy: Path, tests: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0"]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONHASHSEED": "0"}
    try:
        return subprocess.run(
            [*command, *tests], cwd=copy, env=environment, capture_output=True, check=False,
            timeout=LONGEST,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1  # a test that never ends finds it, too


def fails_by_itself(faults: list[Mapping[str, Any]], tree: Path) -> bool:
    """Whether the tests that faults name fail in a scratch checkout without any fault."""
    with checkout(tree) as copy:
        (copy / "conf/local").mkdir(exist_ok=True)
        return _pytest(copy, sorted({test for f in faults for test in tests_of(f, copy)})) != 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="plant faults and see whether tests find them")
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--only", default="", help="faults whose words hold this")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    if shutil.which("git") is None:
        parser.error("git is needed")
    faults = [f for f in yaml.safe_load(FAULTS.read_text("utf-8")) if asked.only in f["fault"]]
    if fails_by_itself(faults, asked.tree):
        print("the tests fail without any fault, so they would show nothing. Next: make test")
        return 1
    with ThreadPoolExecutor(asked.workers) as pool:
        results = list(pool.map(lambda fault: find(fault, asked.tree), faults))
    for fault, (said, place, seconds) in zip(faults, results, strict=True):
        print(f"{said:<10} {seconds:5.0f} s  {place.removeprefix('src/'):<45} {fault['fault']}")
    missed = [said for said, _, _ in results if said != "found"]
    print(f"{len(faults) - len(missed)} of {len(faults)} planted faults were found.")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
