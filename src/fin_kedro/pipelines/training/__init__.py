"""Model table to a registered candidate: two models, one graph each."""

from fin_kedro.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
