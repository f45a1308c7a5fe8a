"""The project's pipelines: stages are written once, in a namespace per declared workflow."""

from __future__ import annotations

import time

from kedro.pipeline import Pipeline, pipeline

_BEGAN = time.perf_counter()
from fin_kedro.pipelines import (  # noqa: E402
    batch,
    event_time,
    release,
    static,
    training,
    validation,
)

# Seconds to import what the nodes compute with (CatBoost, scikit-learn): their cost, not Kedro's.
LIBRARY_SECONDS = time.perf_counter() - _BEGAN

from fin_kedro.project.context import open_workflows  # noqa: E402
from fin_kedro.project.workflows import Workflow, WorkflowError  # noqa: E402

# Policy binds every workflow alike, so these parameters have no namespace.
POLICY = ("params:quarantine", "params:parity", "params:run_context")
DEFAULT, SIMULATION = "__default__", "simulation"


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `kedro run` runs ``__default__``.

    Each workflow of `conf/<env>/workflows.yml` has a pipeline of its name and one for each stage.
    ``<workflow>_simulation`` makes synthetic events; it is part of ``__default__`` and not of the
    workflow, which your own events run through.
    """
    pipelines: dict[str, Pipeline] = {DEFAULT: Pipeline([])}
    for workflow in open_workflows():
        made = _pipelines_of(workflow)
        if taken := sorted(made.keys() & pipelines.keys()):
            raise WorkflowError(
                f"the workflow {workflow} would have a pipeline {taken[0]!r}, and another workflow "
                "has one; declare it under another name."
            )
        pipelines |= made
        for name in (workflow.name, f"{workflow}_{SIMULATION}"):
            pipelines[DEFAULT] += made.get(name, Pipeline([]))
    return pipelines


def _pipelines_of(workflow: Workflow) -> dict[str, Pipeline]:
    """The pipelines of one workflow: the whole under its name, and its stages."""
    table, own = _of_kind(workflow)
    stages = {
        "training": training.create_pipeline(),
        "validation": validation.create_pipeline(workflow.evidence),
    }
    # not part of a workflow's own run: what they take was approved after one
    later = {"batch": batch.create_pipeline(), "release": release.create_pipeline()}
    whole = sum(stages.values(), table)
    named = {f"{workflow}_{name}": stage for name, stage in {**stages, **later, **own}.items()}
    return {name: _namespaced(made, workflow.name)
            for name, made in {workflow.name: whole, **named}.items()}  # fmt: skip


def _of_kind(workflow: Workflow) -> tuple[Pipeline, dict[str, Pipeline]]:
    """Raw data to the model table with the kind's proofs, and pipelines that only the kind has."""
    if workflow.kind == "static":
        return static.create_pipeline(), {}
    own = {"parity": event_time.create_parity_pipeline()}
    if getattr(workflow, "simulated", False):
        own[SIMULATION] = event_time.create_simulation_pipeline()
    return event_time.create_pipeline() + own["parity"], own


def _namespaced(stage: Pipeline, workflow: str) -> Pipeline:
    """Put a stage's datasets and parameters under the workflow's name; policy is shared."""
    shared = {name for name in stage.inputs() if name in POLICY}
    return pipeline(
        stage, namespace=workflow, parameters=shared, prefix_datasets_with_namespace=True
    )
