"""The command that does what is left of a run."""

from __future__ import annotations

import pytest
from kedro.pipeline import Pipeline, node

from fin_kedro.project.summary import env_option, resume_command


def _step(*inputs: object) -> int:
    return len(inputs)


PIPELINE = Pipeline(
    [
        node(_step, "raw", "table", name="table"),
        node(_step, "table", "model", name="train"),
        node(_step, "model", "parity", name="parity"),
        node(_step, "model", "metrics", name="measure"),
        node(_step, ["parity", "metrics"], "report", name="report", tags="validation"),
        node(_step, "report", "gates", name="gates", tags="validation"),
    ]
)


@pytest.mark.parametrize(
    ("saved", "nodes"),
    [
        (set(), "table"),
        ({"table"}, "train"),
        ({"table", "model"}, "measure,parity"),
        ({"table", "model", "metrics"}, "parity"),
        ({"table", "model", "metrics", "parity", "report"}, "report"),
    ],
)
def test_it_starts_at_every_branch_that_is_not_done(saved: set[str], nodes: str) -> None:
    command = resume_command({}, PIPELINE, saved)
    start, _, names = command.rpartition("=")
    assert start == "kedro run --from-nodes"
    assert sorted(names.split(",")) == sorted(nodes.split(","))


def test_it_repeats_environment_pipelines_and_end() -> None:
    run = {"env": "own", "pipeline_names": ["credit"], "to_nodes": ["train"]}
    assert resume_command(run, PIPELINE, {"table", "model", "metrics"}) == (
        "kedro run --env own --pipelines=credit --from-nodes=parity --to-nodes=train"
    )


@pytest.mark.parametrize("env", [None, "local", "base"])
def test_the_default_environment_is_not_named(env: str | None) -> None:
    assert env_option(env) == ""
