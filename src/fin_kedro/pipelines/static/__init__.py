"""What a workflow of the kind `static` has of its own: raw rows to the model table."""

from fin_kedro.pipelines.static.pipeline import create_pipeline

__all__ = ["create_pipeline"]
