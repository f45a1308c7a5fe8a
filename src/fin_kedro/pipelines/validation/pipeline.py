"""Candidate to a sealed report, verdicts and gates."""

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from fin_kedro.pipelines.validation import nodes

# What the report reads; named here so that it runs after all of it, and loads these versions.
EVIDENCE = [
    "contract",
    "contract_report",
    "model_table",
    "features",
    "scores",
    "metrics",
    "calibration_curves",
    "shap_values",
    "decision_policy",
    "parity",
]


def create_pipeline(extra_evidence: Sequence[str] = ()) -> Pipeline:
    """Write the report, record what it found, and stop the run at a failed gate.

    Args:
        extra_evidence: datasets that only this workflow has, e.g. ``["online_parity"]``.
    """
    report = ["validation_notebook", "validation_report"]
    given = ["candidate", "params:report", "params:detection", "params:run_context"]
    return Pipeline(
        [
            node(
                nodes.write_validation_report,
                [*given, *EVIDENCE, *extra_evidence],
                [*report, "verdicts"],
                name="write_validation_report",
                tags="validation",
            ),
            node(
                nodes.record_validation,
                ["candidate", *report, "verdicts", "params:run_context"],
                "validation_record",
                name="record_validation",
                tags="validation",
            ),
            node(
                nodes.enforce_validation_gates,
                ["validation_record"],
                "passed_gates",
                name="enforce_gates",
                tags="validation",
            ),
        ]
    )
