"""The fraud workflow's own part: transactions and reports to the model table."""

from fin_kedro.pipelines.fraud.pipeline import (
    create_parity_pipeline,
    create_pipeline,
    create_simulation_pipeline,
)

__all__ = ["create_parity_pipeline", "create_pipeline", "create_simulation_pipeline"]
