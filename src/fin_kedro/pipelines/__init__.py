"""Pipelines: one folder a stage; nodes are modules beside `pipeline`, which is wiring only."""
