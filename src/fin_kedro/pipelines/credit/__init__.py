"""Raw applications to the model table."""

from fin_kedro.pipelines.credit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
