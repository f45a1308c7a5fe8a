"""What seals say of a small project, and what is there now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fin_kedro.changes.makings import step_of
from fin_kedro.changes.staleness import ELSEWHERE, GONE, UNSEALED, NodeState
from tests.changes.run_lab import PIPELINE, Lab, make_lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return make_lab(tmp_path, monkeypatch)


def said(states: dict[str, NodeState]) -> dict[str, str]:
    return {n: f"{s.state} {'; '.join(map(str, s.reasons))}".strip() for n, s in states.items()}


def test_a_node_becomes_a_step() -> None:
    first, second = (step_of(n) for n in PIPELINE.nodes)
    assert (first.reads, first.parameters, first.makes) == (
        ("raw",),
        ("depth",),
        ("made", "memory"),
    )
    assert (second.reads, second.parameters) == (("made",), ("policy:",)), "without transcoding"


def test_after_a_run_everything_is_fresh(lab: Lab) -> None:
    lab.run("2026-01-01T00.00.00.000Z")
    assert said(lab.states()) == {"make": "fresh", "read": "fresh"}


def change_raw(lab: Lab) -> None:
    lab.write("data/raw.json", "[2]")


def lay_out_raw_anew(lab: Lab) -> None:
    lab.write("data/raw.json", "[\n 1\n]")


def change_parameter(lab: Lab) -> None:
    lab.write("conf/base/parameters.yml", "depth: 6")


def change_gate(lab: Lab) -> None:
    lab.write("conf/base/policy.yml", "gates: {AUC: {limits: {min: 0.8}}}\napproval: {by: 2}")


def change_output(lab: Lab) -> None:
    lab.write("data/made.json/2/made.json", "[7]")


def delete_output(lab: Lab) -> None:
    (lab.root / "data/made.json/2/made.json").unlink()


def killed_run(lab: Lab) -> None:
    lab.run("3", sealed=False)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (change_raw, {"make": "stale data: raw changed", "read": "downstream"}),
        (lay_out_raw_anew, {"make": "fresh", "read": "fresh"}),
        (change_parameter, {"make": "stale parameters: depth 4 → 6", "read": "downstream"}),
        (
            change_gate,
            {"make": "fresh", "read": "stale parameters: policy.gates.AUC.limits.min 0.7 → 0.8"},
        ),
        (
            change_output,
            {
                "make": "stale output: made was changed after it was made",
                "read": "stale data: made changed",
            },
        ),
        (delete_output, {"make": "missing output: made is not there", "read": "downstream"}),
        (
            killed_run,
            {
                "make": "unknown output: made was made by a run that left no seal",
                "read": "downstream",
            },
        ),
    ],
)
def test_what_happened_since_is_said(
    lab: Lab, event: Callable[[Lab], None], expected: dict[str, str]
) -> None:
    lab.run("2")
    event(lab)
    assert said(lab.states()) == expected


def test_a_node_that_failed_has_made_nothing(lab: Lab) -> None:
    lab.run("2")
    lab.run("3", error={"step": "make", "name": "E", "message": ""}, outcome="failed")
    assert said(lab.states())["make"].startswith("stale code: make did not run to its end in run 3")
    assert lab.project().last_run("make") == "2"
    assert lab.project().last_run("read", until="2") == "2"


def test_before_the_first_run_everything_is_missing(lab: Lab) -> None:
    assert {s.state for s in lab.states().values()} == {"missing"}


def test_where_datasets_lie(lab: Lab) -> None:
    lab.run("2")
    project = lab.project()
    assert [project.kept(n) for n in ("made", "memory", "far")] == [True, False, True]
    assert project.origin("far") == ELSEWHERE
    assert project.content("far") is None
    assert (project.origin("made"), project.origin("plain")) == ("2", "2")
    assert project.origin("raw") == UNSEALED, "no run made it"
    assert lab.project(load_versions={"made@json": "1", "made@pandas": "1"}).origin("made") == GONE


def test_a_seal_that_cannot_be_read_is_no_seal(lab: Lab) -> None:
    lab.run("2")
    lab.write("data/seal.json/2/seal.json", "{")
    assert lab.states()["make"].state == "unknown"
