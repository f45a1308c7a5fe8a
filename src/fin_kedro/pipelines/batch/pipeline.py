"""Accepted rows and a registered model to scores."""

from kedro.pipeline import Pipeline, node

from fin_kedro.pipelines.batch import nodes


def create_pipeline() -> Pipeline:
    """Score every accepted row by the approved graph, on the engine that holds the rows."""
    return Pipeline(
        [
            node(
                nodes.score_history,
                ["accepted", "contract", "params:release", "params:batch"],
                ["batch_scores", "batch_record"],
                name="score_history",
                tags="batch",
            )
        ]
    )
