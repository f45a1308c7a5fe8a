"""Executes a sealed run again inside a scratch checkout; run by path: ``python -P rerun.py SPEC``.

It imports nothing of this project before the checkout's own package, whatever its age.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Where a catalog entry says that a dataset lies: a file, a database, a server.
PLACES = ("filepath", "path", "filename", "ledger", "database", "con", "url", "uri", "host")
# Parameters that say where nodes and the seal's hook write.
TARGETS = ("ledger", "output")
SEAL = "seal"  # no node's output; a hook writes it


class OutsideError(RuntimeError):
    """The run would write outside the checkout; the message names what, and another way."""


def check_outputs(tree: Path, pipeline: Any, catalog: Any) -> None:
    """OutsideError when a run would write anything outside the checkout `tree`.

    What lies outside and is only read (own data under an absolute path) stays where it is.
    """
    entries = {
        n: catalog.config_resolver.resolve_pattern(n) for n in {*pipeline.all_outputs(), SEAL}
    }
    named = [
        *(
            (f"the catalog's {n!r}", *place)
            for n in sorted(entries)
            for place in _leaves(entries[n])
        ),
        *(("a parameter", *place) for place in _leaves(_parameters(catalog))),
    ]
    for whose, key, value in named:
        keys = TARGETS if whose == "a parameter" else PLACES
        if key in keys and _is_outside(tree, key, value):
            raise OutsideError(
                f"{whose} has its {key} at {value}, outside the project; executing the run again "
                "would write there. Run it with a conf environment that keeps it under data/ "
                "(kedro run --env NAME), and verify that run."
            )


def _parameters(catalog: Any) -> Any:
    return catalog.load("parameters") if "parameters" in catalog else {}


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The texts in nested conf, each with its own key; metadata name no place of data."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, str(name)) if name != "metadata" else ()
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _leaves(value, key)
    elif isinstance(content, str):
        yield key, content


def _is_outside(tree: Path, key: str, value: str) -> bool:
    if key == "host":
        return True
    if "://" in value:
        return f"{tree.as_posix()}/" not in value or ".." in value
    return not (tree / value).resolve().is_relative_to(tree.resolve())


def guard(tree: Path) -> Any:
    """A Kedro hook that makes `check_outputs` of a run before its first node."""
    from kedro.framework.hooks import hook_impl

    class Guard:
        @hook_impl(tryfirst=True)
        def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
            check_outputs(tree, pipeline, catalog)

    return Guard()


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
        session._hook_manager.register(guard(Path.cwd()))  # type: ignore[attr-defined]
        try:
            session.run(**spec["run"])
        except Exception as error:  # the seal says `failed`; the caller compares
            return {"error": f"{type(error).__name__}: {error}"}
    return {"error": None}


def own_module(name: str) -> Any:
    """The checkout's module that executes notebooks; the room had another name before."""
    for room in ("reports", "kernel"):
        if importlib.util.find_spec(f"fin_kedro.{room}"):
            return importlib.import_module(f"fin_kedro.{room}.{name}")
    raise ModuleNotFoundError(f"the checkout's fin_kedro has no module that executes ({name})")


def run_notebook(spec: dict[str, Any]) -> dict[str, Any]:
    """Execute a notebook sealed; it is written to `output`, its seal in it."""
    os.environ["FIN_KEDRO_SCRATCH"] = "1"  # conf may name a ledger outside the checkout
    result = own_module("execution").execute_notebook(
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
    os.environ["FIN_KEDRO_SCRATCH"] = "1"
    pool = own_module("pool")
    names, options = spec["notebooks"], {"timeout": spec["timeout"], "html": False}
    jobs = [pool.Job(notebook=Path.cwd() / name, options=options) for name in names]
    ended: list[int] = []

    def note(number: int, result: Any) -> None:
        """Write which one has ended into the file that the caller reads."""
        ended.append(number)
        failed = f": {result.error['name']}" if result.error else ""
        with Path(spec["progress"]).open("a", encoding="utf-8") as file:
            file.write(f"{len(ended)}/{len(names)} {names[number]}{failed}\n")

    results = pool.execute_many(jobs, workers=spec["workers"], ended=note)
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
