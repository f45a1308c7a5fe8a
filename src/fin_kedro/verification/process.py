"""`rerun.py` in a process of its own, inside a scratch checkout, told what to execute."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fin_kedro.verification import rerun
from fin_kedro.verification.conditions import VerifyError, World, variables

SECONDS = 3600  # that one execution may take
CELL_SECONDS = 900
TAIL = 12  # lines of a log that are shown
Say = Callable[[str], None]


def run_to_end(
    spec: Mapping[str, Any],
    *,
    tree: Path,
    world: World,
    environment: Mapping[str, Any],
    kernel: bool,
) -> str | None:
    """Run one specification; the error that stopped it, None when it went through.

    ``environment``, ``kernel``: see `conditions.variables`.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(spec, file)
    log = tree.parent / "log.txt"
    try:
        with log.open("w", encoding="utf-8") as out:
            code = subprocess.run(
                _command(world, Path(file.name)),
                cwd=tree,
                env=variables(world, tree, environment, kernel=kernel),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=SECONDS,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        return f"it was stopped after {SECONDS} s"
    finally:
        Path(file.name).unlink(missing_ok=True)
    result = Path(spec["result"])
    if code or not result.is_file():
        return f"it ended with status {code}:\n{_last_lines(log)}"
    error = json.loads(result.read_text(encoding="utf-8"))["error"]
    return None if error is None else str(error)


def run_notebooks(
    spec: Mapping[str, Any], *, tree: Path, world: World, say: Say = lambda _: None
) -> dict[str, Any]:
    """Run a specification of several notebooks; `say` is told of each as it ends.

    Returns ``{"errors": {notebook: words}, "seconds": {notebook: seconds}}``. Raises VerifyError
    when the process ends without having executed them.
    """
    files = {n: tree.parent / n for n in ("spec.json", "log.txt", "progress.txt", "result.json")}
    places = {"progress": str(files["progress.txt"]), "result": str(files["result.json"])}
    files["spec.json"].write_text(json.dumps({**spec, **places}), encoding="utf-8")
    files["progress.txt"].touch()
    with files["log.txt"].open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            _command(world, files["spec.json"]),
            cwd=tree,
            env=variables(world, tree, {}),
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
        code = _watched(process, files["progress.txt"], say)
    if code:
        raise VerifyError(f"notebooks could not be executed:\n{_last_lines(files['log.txt'])}")
    result = json.loads(files["result.json"].read_text(encoding="utf-8"))
    return {"errors": result["errors"], "seconds": result["seconds"]}


def _command(world: World, spec: Path) -> list[str]:
    return [world.interpreter, "-P", rerun.__file__, str(spec)]


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-TAIL:])


def _watched(process: subprocess.Popen[bytes], progress: Path, say: Say) -> int:
    """Wait for a process, and pass on each line that it writes into a file; its exit status.

    A file, not a pipe: whatever the process leaves behind could hold a pipe open.
    """
    with process, progress.open(encoding="utf-8") as lines:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
                for line in lines:
                    say(f"  {line.rstrip()}")
                if process.returncode is not None:
                    return process.returncode
        except BaseException:
            process.kill()
            raise
