"""What a workflow of the kind `event_time` has of its own: events and labels to the model table."""

from fin_kedro.pipelines.event_time.pipeline import (
    create_parity_pipeline,
    create_pipeline,
    create_simulation_pipeline,
)

__all__ = ["create_parity_pipeline", "create_pipeline", "create_simulation_pipeline"]
