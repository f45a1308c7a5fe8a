"""The state of a project's nodes and reports, in words and as JSON."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from fin_kedro.changes.makings import Project
from fin_kedro.changes.staleness import Judge, NodeState, Plan
from fin_kedro.project.commands import project_folder
from fin_kedro.project.config import ProjectConfigLoader
from fin_kedro.project.context import use

# What a person opens and reads: reports and executed notebooks.
REPORTS = (".html", ".ipynb", ".pdf")
FILTERS = ("tags", "from_nodes", "to_nodes", "from_inputs", "to_outputs", "node_names")
MOST_REASONS = 4


def open_judge(
    *,
    env: str | None = None,
    selection: Mapping[str, Any] | None = None,
    runtime_params: Mapping[str, Any] | None = None,
    conf_source: str | None = None,
    load_versions: Mapping[str, str] | None = None,
) -> Judge:
    """A judge of the nodes that `kedro run` with the same options would run.

    Args:
        env: conf environment; KEDRO_ENV, else the default one.
        selection: options of `kedro run` that choose nodes, by their names in Kedro's callback.
        runtime_params, conf_source, load_versions: as in `kedro run`.
    """
    root = project_folder()
    loader = ProjectConfigLoader(
        conf_source or root / "conf",
        env=env or os.environ.get("KEDRO_ENV"),
        runtime_params=dict(runtime_params or {}),
        base_env="base",
        default_run_env="local",
    )
    use(loader)
    project = Project(root, chosen_pipeline(selection or {}), loader, load_versions)
    return Judge(project.steps, project)


def chosen_pipeline(selection: Mapping[str, Any]) -> Pipeline:
    """The nodes that `kedro run` would run. ValueError names a pipeline that is not there."""
    from kedro.framework.project import pipelines

    one = selection.get("pipeline")
    names = [one] if one else list(selection.get("pipelines") or ["__default__"])
    unknown = sorted(set(names) - set(pipelines))
    if unknown:
        raise ValueError(f"no pipeline {unknown[0]!r}; there are: {', '.join(sorted(pipelines))}.")
    whole = sum((pipelines[name] for name in names), Pipeline([]))
    filters = {name: selection.get(name) or None for name in FILTERS}
    return whole.filter(**filters, node_namespaces=selection.get("namespaces") or None)


def why(state: NodeState, most: int = MOST_REASONS) -> str:
    """The reasons of a state in one line."""
    if state.state == "downstream":
        return f"after {_listed(state.after, most)}"
    return _listed([str(reason) for reason in state.reasons], most, "; ")


def _listed(names: Iterable[str], most: int, between: str = ", ") -> str:
    names = list(names)
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return between.join([*names[:most], *more])


def status_lines(
    states: Mapping[str, NodeState], reports: Mapping[str, Mapping[str, Any]], again: str
) -> list[str]:
    """A line for each node and for each report: name, state, why; a count, and what to type next.

    Args:
        states: of the nodes, by name.
        reports: see `report_states` and `notebook_states`.
        again: the options that chose these nodes, as `kedro run` takes them.
    """
    entries = [(name, state.state, why(state)) for name, state in states.items()]
    width = max((len(name) for name in states), default=0)
    entries += [(entry["path"], entry["state"], entry["why"]) for name, entry in reports.items()]
    lines = [f"{state:<10}  {name:<{width}}  {reason}".rstrip() for name, state, reason in entries]
    lines.insert(len(states), "")
    fresh = all(state.state == "fresh" for state in states.values())
    return [*lines, "", summary(states), *([] if fresh else [f"Next: kedro run --stale{again}"])]


def summary(states: Mapping[str, NodeState]) -> str:
    """How many nodes are in which state."""
    counts = Counter(str(state.state) for state in states.values())
    if set(counts) <= {"fresh"}:
        return f"everything is fresh ({_nodes(states)})."
    order = ("stale", "missing", "unknown", "downstream", "fresh")
    return ", ".join(f"{counts[word]} {word}" for word in order if counts[word]) + "."


def _nodes(states: Mapping[str, NodeState]) -> str:
    return f"{len(states)} node{'' if len(states) == 1 else 's'}"


def stale_lines(plan: Plan) -> list[str]:
    """What `kedro run --stale` is about to run, and why."""
    if not plan.steps:
        return [f"everything is fresh ({_nodes(plan.states)}); there is nothing to run."]
    width = max(len(name) for name in plan.steps)
    helpers = [name for name in plan.steps if plan.states[name].state == "fresh"]
    after = [name for name in plan.steps if plan.states[name].state == "downstream"]
    lines = [f"{state.node:<{width}}  {state.state:<8}  {why(state)}" for state in plan.causes]
    if helpers:
        lines.append(f"also {', '.join(helpers)}, because what they make is only in memory")
    if after:
        lines.append(f"then, each only if what it reads has changed: {', '.join(after)}")
    return lines


def report_states(judge: Judge, states: Mapping[str, NodeState]) -> dict[str, dict[str, Any]]:
    """Reports and executed notebooks that nodes make: path, and the state of their node."""
    found = {}
    for name, state in states.items():
        for dataset in judge.steps[name].makes:
            path = _project(judge).path(dataset)
            if path is not None and path.suffix in REPORTS:
                found[dataset] = {"path": _relative(path), "state": state.state, "why": ""}
    return found


def notebook_states(judge: Judge) -> dict[str, dict[str, Any]]:
    """Notebooks executed by `kedro notebooks run`: path of the newest of each, state, and why."""
    from fin_kedro.reports.notebook_command import KEPT

    newest: dict[Path, Path] = {}
    for path in sorted((_project(judge).data / KEPT).rglob("*.ipynb")):
        newest[path.parent.parent] = path
    found = {}
    for path in newest.values():
        reasons = _project(judge).notebook_changes(path)
        state = "unknown" if reasons is None else "stale" if reasons else "fresh"
        words = [str(reason) for reason in reasons or ()]
        found[_relative(path)] = {
            "path": _relative(path),
            "state": state,
            "why": _listed(words, MOST_REASONS, "; "),
        }
    return found


def as_json(
    states: Mapping[str, NodeState], reports: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """States of nodes and reports as plain JSON."""
    return {
        "nodes": {
            name: {
                "state": state.state,
                "reasons": [vars(reason) for reason in state.reasons],
                "after": list(state.after),
                "run": state.run,
            }
            for name, state in states.items()
        },
        "reports": reports,
    }


def _project(judge: Judge) -> Project:
    assert isinstance(judge.evidence, Project)
    return judge.evidence


def _relative(path: Path) -> str:
    return os.path.relpath(path)
