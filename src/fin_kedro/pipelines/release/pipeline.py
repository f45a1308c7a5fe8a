"""Approved model to a bento."""

from kedro.pipeline import Pipeline, node

from fin_kedro.pipelines.release import nodes


def create_pipeline() -> Pipeline:
    """Build the bento from the approved version, and from nothing else."""
    return Pipeline(
        [
            node(
                nodes.build_release,
                ["params:release", "params:features", "params:run_context"],
                "release",
                name="build_release",
                tags="release",
            )
        ]
    )
