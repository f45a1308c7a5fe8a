"""Executes a sealed run again inside a scratch checkout; run by path: ``python -P rerun.py SPEC``.

It imports nothing of this project before the checkout's own package, whatever its age.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def run_pipeline(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the selected nodes as `kedro run` does; its error, if any."""
    from kedro.framework.cli.utils import load_entry_points
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    for settle in load_entry_points("init"):
        settle()
    bootstrap_project(Path.cwd())
    with KedroSession.create(
        project_path=Path.cwd(), env=spec["env"], runtime_params=spec["runtime_params"]
    ) as session:
        try:
            session.run(**spec["run"])
        except Exception as error:  # the seal says `failed`; the caller compares
            return {"error": f"{type(error).__name__}: {error}"}
    return {"error": None}


def run_notebook(spec: dict[str, Any]) -> dict[str, Any]:
    """Execute a notebook sealed; it is written to `output`, its seal in it."""
    from fin_kedro.kernel.execution import execute_notebook

    result = execute_notebook(
        notebook=Path.cwd() / spec["notebook"],
        parameters=spec["parameters"],
        env=spec["env"],
        timeout=spec["timeout"],
    )
    Path(spec["output"]).write_text(result.notebook_json, encoding="utf-8")
    error = result.error
    return {"error": error and f"{error['name']}: {error['message']}"}


def run_notebooks(spec: dict[str, Any]) -> dict[str, Any]:
    """Execute several notebooks sealed, some at a time; each is written under `target`."""
    from fin_kedro.kernel.pool import Job, execute_many

    names, options = spec["notebooks"], {"timeout": spec["timeout"], "html": False}
    jobs = [Job(notebook=Path.cwd() / name, options=options) for name in names]
    ended: list[int] = []

    def note(number: int, result: Any) -> None:
        """Write which one has ended into the file that the caller reads."""
        ended.append(number)
        failed = f": {result.error['name']}" if result.error else ""
        with Path(spec["progress"]).open("a", encoding="utf-8") as file:
            file.write(f"{len(ended)}/{len(names)} {names[number]}{failed}\n")

    results = execute_many(jobs, workers=spec["workers"], ended=note)
    for name, result in zip(names, results, strict=True):
        path = Path(spec["target"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(result.notebook_json, encoding="utf-8")
    said = zip(names, results, strict=True)
    return {
        "error": None,
        "errors": {n: f"{r.error['name']}: {r.error['message']}" for n, r in said if r.error},
        "seconds": {
            n: r.seal["occasion"]["seconds"] for n, r in zip(names, results, strict=True) if r.seal
        },
    }


RUNS = {"pipeline": run_pipeline, "notebook": run_notebook, "notebooks": run_notebooks}

if __name__ == "__main__":
    wanted = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    done = RUNS[wanted["kind"]](wanted)
    Path(wanted["result"]).write_text(json.dumps(done), encoding="utf-8")
