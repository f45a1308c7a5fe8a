"""Candidate to a sealed report, verdicts and gates."""

from fin_kedro.pipelines.validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
