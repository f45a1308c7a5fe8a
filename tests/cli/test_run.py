"""`kedro run` keeps every option of Kedro's, and has one more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.framework.cli.project import run as kedro_run

from fin_kedro.changes import status
from fin_kedro.changes.staleness import NodeState, Reason, Step
from fin_kedro.cli import run as run_cli

OPTIONS = {option for parameter in kedro_run.params for option in parameter.opts}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Kedro's own command is called with."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(run_cli, "_kedro", lambda **options: found.append(options))
    return found


def run(*arguments: str) -> Any:
    return CliRunner().invoke(run_cli.run_command, arguments)


def test_every_option_of_kedros_command_is_there_with_its_help() -> None:
    shown = run("--help").output
    assert all(option in shown for option in OPTIONS)
    assert "--stale" in shown
    assert kedro_run.help is not None
    assert kedro_run.help.strip() in shown


def test_without_stale_kedros_command_gets_what_it_would_have_got(
    calls: list[dict[str, Any]],
) -> None:
    given = ("--pipelines", "credit", "--env", "ci", "--params", "a.b=1", "--tags", "x,y")
    assert run(*given).exit_code == 0
    (options,) = calls
    assert set(options) == {parameter.name for parameter in kedro_run.params}
    assert (options["pipelines"], options["env"]) == (["credit"], "ci")
    assert (options["params"], options["tags"]) == ({"a": {"b": 1}}, ["x", "y"])


def test_stale_and_only_missing_outputs_are_refused_together(calls: list[dict[str, Any]]) -> None:
    refused = run("--stale", "--only-missing-outputs")
    assert refused.exit_code == 2
    assert "cannot be used together" in refused.output
    assert not calls


class _Judge:
    """One node of three is stale, one after it."""

    def __init__(self) -> None:
        self.steps = {name: Step(name) for name in ("one", "two", "three")}

    def states(self) -> dict[str, NodeState]:
        return {
            "one": NodeState("one", "fresh"),
            "two": NodeState("two", "stale", (Reason("parameters", "x", "1 → 2"),)),
            "three": NodeState("three", "downstream", after=("two",)),
        }

    def memory_makers(self, name: str) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(
    ("given", "runner"),
    [
        ((), run_cli.RUNNER),
        (("--runner", "SequentialRunner"), run_cli.RUNNER),
        (("--runner", "ThreadRunner"), "ThreadRunner"),
    ],
)
def test_stale_runs_the_plan_with_the_runner_that_stops_early(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, given: tuple[str], runner: str
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(status, "open_judge", lambda **options: asked.update(options) or _Judge())
    done = run("--stale", "--env", "ci", "--params", "x=2", "--namespaces", "credit", *given)
    assert done.exit_code == 0, done.output
    assert "two    stale     parameters: x 1 → 2" in done.output
    assert "then, each only if what it reads has changed: three" in done.output
    (options,) = calls
    assert options["node_names"] == ("two", "three")
    assert options["namespaces"] == ["credit"]
    assert options["runner"] == runner
    assert ("decider" in options["runner_params"]) == (runner == run_cli.RUNNER)
    assert (asked["env"], asked["runtime_params"]) == ("ci", {"x": 2})


def test_nothing_is_started_where_everything_is_fresh(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = SimpleNamespace(
        steps={"one": Step("one")}, states=lambda: {"one": NodeState("one", "fresh")}
    )
    monkeypatch.setattr(status, "open_judge", lambda **_: fresh)
    done = run("--stale")
    assert done.exit_code == 0
    assert "everything is fresh (1 node); there is nothing to run." in done.output
    assert not calls
