"""Approved model to a bento."""

from fin_kedro.pipelines.release.pipeline import create_pipeline

__all__ = ["create_pipeline"]
