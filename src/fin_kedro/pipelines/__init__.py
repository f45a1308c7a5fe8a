"""Pipelines: one folder a stage, `nodes` born in a notebook, `pipeline` is wiring only."""
