"""The difference of two runs: the same, their environment, a seal that is broken."""

from __future__ import annotations

import json

import pytest

from fin_kedro.changes.difference_html import render_difference
from fin_kedro.changes.difference_words import difference_lines
from fin_kedro.seals.seal import SealError
from tests.changes.sealed_lab import ENVIRONMENT, FIGURE, SealedLab, as_json


def test_identical_runs_say_so(lab: SealedLab) -> None:
    data = {"credit.metrics": as_json({"test": {"champion": {"auc": FIGURE}}})}
    found = lab.compare(lab.seal("1", data=data), lab.seal("2", data=data))
    assert found.identical
    assert "identical" in " ".join(difference_lines(found))
    page = render_difference(found)
    assert "The two runs are identical" in page
    assert "<h2" not in page


def test_parameters_and_environment_leaf_by_leaf(lab: SealedLab) -> None:
    other = {**ENVIRONMENT, "python": {"version": "3.12.1"}, "cpu": {"features": ["B", "C"]}}
    found = lab.compare(
        lab.seal("1"),
        lab.seal("2", parameters={"depth": {"value": 6}}, environment=other),
    )
    assert found.parameters == (("depth.value", 4, 6),)
    assert found.environment == (
        ("python.version", "3.11.7", "3.12.1"),
        ("cpu.features", ["A"], ["C"]),
    )
    assert "parameters: depth.value 4 → 6" in "\n".join(difference_lines(found))


def step(read: str, written: str) -> dict[str, dict[str, str]]:
    """A step's entry of a seal: names, by blanks; the hashes are in the seal's data."""
    return {
        "read": dict.fromkeys(read.split(), "0" * 64),
        "written": dict.fromkeys(written.split(), "0" * 64),
    }


def test_what_a_node_read_that_did_not_run_again_is_not_called_removed(lab: SealedLab) -> None:
    """As after `kedro run --stale`: of three nodes one ran again, with another parameter."""
    whole = {
        "clean": step("raw params:limits", "rows"),
        "fit": step("rows params:depth", "model"),
        "judge": step("model params:gates", "credit.metrics"),
    }
    figures = as_json({"test": {"champion": {"auc": FIGURE}}})
    models = [as_json({"depth": depth}) for depth in (4, 6)]
    given = {"limits": {"low": 0}, "gates": {"min": 1}, "depth": {"value": 4}}
    first = lab.seal(
        "1", steps=whole, read={"raw": "a"}, parameters=given,
        data={"rows": as_json([1]), "model": models[0], "credit.metrics": figures},
    )  # fmt: skip
    rows = {"rows": json.loads(first.read_text())["content"]["data"]["written"]["rows"]}
    second = lab.seal(
        "2", steps={"fit": whole["fit"]}, read=rows, data={"model": models[1]},
        parameters={"depth": {"value": 6}},
    )  # fmt: skip
    for found, left_out in (
        (lab.compare(first, second), ((), ("clean", "judge"))),
        (lab.compare(second, first), (("clean", "judge"), ())),
    ):
        assert [(change.name, change.change) for change in found.data] == [("model", "changed")]
        assert [name for name, _, _ in found.parameters] == ["depth.value"]
        assert (found.figures, found.not_run) == ((), left_out)
        words = "2 did not run clean, judge: what they read and make is not compared"
        assert words in "\n".join(difference_lines(found))
        assert words in render_difference(found)

    less = lab.seal(
        "3", steps={"fit": step("params:depth", "model")}, data={"model": models[1]},
        parameters={"depth": {"value": 6}},
    )  # fmt: skip
    removed = [(change.name, change.change) for change in lab.compare(second, less).data]
    assert removed == [("rows", "only first")], "the node ran, and reads it no more"


def test_a_broken_seal_is_refused(lab: SealedLab) -> None:
    seals = [lab.seal("1"), lab.seal("2")]
    seals[1].write_text(seals[1].read_text().replace('"value": 4', '"value": 5'))
    with pytest.raises(SealError, match="changed after it was made"):
        lab.compare(*seals)
