"""The project's pipelines: stages are written once and stand in a namespace per workflow."""

from __future__ import annotations

import time

from kedro.pipeline import Pipeline, pipeline

_BEGAN = time.perf_counter()
from fin_kedro.pipelines import batch, credit, fraud, release, training, validation  # noqa: E402

# Seconds to import what the nodes compute with (CatBoost, scikit-learn): their cost, not Kedro's.
LIBRARY_SECONDS = time.perf_counter() - _BEGAN

WORKFLOWS = ("credit", "fraud")
# What only one workflow proves, and its report reads or waits for.
EXTRA_EVIDENCE = {"fraud": ("online_parity", "time_travel")}
# Policy binds every workflow alike, so these parameters have no namespace.
POLICY = ("params:quarantine", "params:parity", "params:run_context")


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `kedro run` runs ``__default__``.

    ``fraud_simulation`` makes the synthetic transactions; it is part of ``__default__`` and not of
    ``fraud``, which your own transactions run through.
    """
    parity = fraud.create_parity_pipeline()
    table = {"credit": credit.create_pipeline(), "fraud": fraud.create_pipeline() + parity}
    training_stage = training.create_pipeline()
    # not part of a workflow's own run: what they take was approved after one
    later = {"batch": batch.create_pipeline(), "release": release.create_pipeline()}
    pipelines: dict[str, Pipeline] = {}
    for workflow in WORKFLOWS:
        whole = _namespaced(table[workflow], workflow)
        evidence = EXTRA_EVIDENCE.get(workflow, ())
        stages = {"training": training_stage, "validation": validation.create_pipeline(evidence)}
        for name, stage in stages.items():
            pipelines[f"{workflow}_{name}"] = _namespaced(stage, workflow)
            whole += pipelines[f"{workflow}_{name}"]
        pipelines[workflow] = whole
        for name, stage in later.items():
            pipelines[f"{workflow}_{name}"] = _namespaced(stage, workflow)
    pipelines["fraud_parity"] = _namespaced(parity, "fraud")
    pipelines["fraud_simulation"] = _namespaced(fraud.create_simulation_pipeline(), "fraud")
    default = [*(pipelines[w] for w in WORKFLOWS), pipelines["fraud_simulation"]]
    return {"__default__": sum(default, Pipeline([])), **pipelines}


def _namespaced(stage: Pipeline, workflow: str) -> Pipeline:
    """Put a stage's datasets and parameters under the workflow's name; policy is shared."""
    shared = {name for name in stage.inputs() if name in POLICY}
    return pipeline(
        stage, namespace=workflow, parameters=shared, prefix_datasets_with_namespace=True
    )
