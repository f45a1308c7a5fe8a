"""`make check`: everything that can be said about the tree without running the models."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PYTHON = sys.executable
CHECKS: dict[str, list[str]] = {
    "style (ruff)": [str(BIN / "ruff"), "check", "--quiet", "--output-format=concise", "."],
    "format (ruff)": [str(BIN / "ruff"), "format", "--check", "--output-format=concise", "."],
    "types (mypy)": [PYTHON, "-m", "mypy", "--no-error-summary"],
    "import layers": [str(BIN / "lint-imports"), "--no-cache", "--no-logo"],
    "shape of the house": [PYTHON, ".ci/house.py"],
    "notebooks clean and in sync": [PYTHON, "-m", "fin_kedro.cli.notebooks", "check"],
    "no registry host, no machine path": [PYTHON, ".ci/tree.py"],
    "lock in step with pyproject.toml": [PYTHON, ".ci/lock.py"],
    "licences": [PYTHON, ".ci/dependencies.py"],
}
MENDS = {
    "style (ruff)": "make format mends much of it",
    "format (ruff)": "make format",
    "shape of the house": "split the long file, or move what closes the circle",
}


def passes(name: str, command: list[str]) -> bool:
    """Run one check; its output is shown only when it fails."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    word = "FAIL" if done.returncode else "ok"
    print(f"  {word:<4}  {name} ({time.monotonic() - start:.1f} s)", flush=True)
    if done.returncode:
        output = (done.stdout + done.stderr).strip().splitlines()
        mend = [f"Next: {MENDS[name]}"] if name in MENDS else []
        print("\n".join("        " + line for line in output + mend), flush=True)
    return done.returncode == 0


def main() -> int:
    os.environ.pop("FORCE_COLOR", None)
    failed = [name for name, command in CHECKS.items() if not passes(name, command)]
    if failed:
        print(f"{len(failed)} of {len(CHECKS)} checks failed: {'; '.join(failed)}")
        return 1
    print(f"{len(CHECKS)} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
