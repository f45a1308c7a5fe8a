"""Build or refresh build/tools: what checks, docs and benchmarks start, over .venv.

    .venv/bin/python .ci/tools.py

`make run` and `make test` install requirements.lock only. Everything else stands in tools.lock
and goes into a second environment, which also sees what .venv has (mypy and the layers look at
our libraries). .venv does not see the tools, so that the kernel's comparison of it with its lock
holds. It is made from nothing whenever it is stale: with uv's cache that takes a second or two.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

from environment import (
    ROOT,
    TOOLS_LOCK,
    BuildError,
    alone,
    count,
    exit_status,
    run,
    say,
    tail,
    uv_environment,
    venv_version,
)

FOLDER = Path("build") / "tools"
STAMP, LOG, LAYER = "fin_kedro.stamp", "fin_kedro.log", "over_venv.pth"


def digest(root: Path) -> dict[str, str]:
    """What up-to-date tools rest on, by name."""
    lock = hashlib.sha256((root / TOOLS_LOCK).read_bytes()).hexdigest()
    version = venv_version(root) or ""
    return {
        "the Python of .venv": version,
        "the place of the checkout": str(root),
        "tools.lock": lock,
    }


def stale(root: Path) -> list[str]:
    """Names of what changed since the tools were installed; empty when nothing did."""
    try:
        found = json.loads((root / FOLDER / STAMP).read_text("utf-8"))
        return [name for name, value in digest(root).items() if found.get(name) != value]
    except (OSError, ValueError, AttributeError):
        return ["no finished installation"]


def site_packages(folder: Path) -> Path:
    """Where an environment's libraries lie."""
    return next(folder.glob("lib/python3.*/site-packages"))


def build(root: Path) -> None:
    """Everything in tools.lock, nothing else, in an environment that looks into .venv last."""
    folder, start = root / FOLDER, time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log, venv = folder / LOG, root / ".venv"
    say(f"Installing {count((root / TOOLS_LOCK).read_text('utf-8'))} tools from {TOOLS_LOCK} ...")
    own = str(venv / "bin/python")
    if run([own, "-m", "venv", "--without-pip", str(folder)], log=log):
        raise BuildError(f"No environment for the tools could be made.\n{tail(log)}")
    install(root, log)
    layer = f"import site; site.addsitedir({str(site_packages(venv))!r})\n"
    (site_packages(folder) / LAYER).write_text(layer, "utf-8")
    (folder / STAMP).write_text(json.dumps(digest(root), indent=1) + "\n", "utf-8")
    say(f"  {FOLDER} is ready ({time.monotonic() - start:.0f} s).")


def install(root: Path, log: Path) -> None:
    """The lock's distributions by uv, or by pip with the same hashes; no others."""
    venv, python = root / ".venv/bin", root / FOLDER / "bin/python"
    env, lock = uv_environment(venv / "python", dict(os.environ)), str(root / TOOLS_LOCK)
    options = ["--require-hashes", lock]
    uv = [str(venv / "uv"), "pip", "sync", "--python", str(python), *options]
    if (venv / "uv").exists() and not run(uv, log=log, env=env, note="installing"):
        return
    pip = [str(venv / "python"), "-m", "pip", "--python", str(python)]
    if run([*pip, "install", "--no-deps", "--require-hashes", "-r", lock], log=log):
        raise BuildError(f"Neither uv nor pip could install {TOOLS_LOCK}.\n{tail(log)}")


def ensure(root: Path) -> list[str]:
    """Make the tools right; the reasons they were not."""
    with alone(root):
        reasons = stale(root)
        if reasons:
            say(f"Building {FOLDER}: {', '.join(reasons)}.")
            build(root)
        return reasons


if __name__ == "__main__":
    sys.exit(exit_status(partial(ensure, ROOT)))
