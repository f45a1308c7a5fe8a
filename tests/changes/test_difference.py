"""The difference of two runs: the same, their environment, a seal that is broken."""

from __future__ import annotations

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


def test_a_broken_seal_is_refused(lab: SealedLab) -> None:
    seals = [lab.seal("1"), lab.seal("2")]
    seals[1].write_text(seals[1].read_text().replace('"value": 4', '"value": 5'))
    with pytest.raises(SealError, match="changed after it was made"):
        lab.compare(*seals)
