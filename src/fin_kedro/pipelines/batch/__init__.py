"""History scored by a registered model's graph."""

from fin_kedro.pipelines.batch.pipeline import create_pipeline

__all__ = ["create_pipeline"]
