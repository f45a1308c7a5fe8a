"""The list of planted faults keeps up with the code: each can be planted, and names its tests."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.test_tree import ROOT, load

planted = load("planted")
FAULTS: list[dict[str, Any]] = yaml.safe_load(planted.FAULTS.read_text("utf-8"))


def test_there_are_forty_or_more() -> None:
    assert len({fault["fault"] for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault["fault"]))
def test_a_fault_can_be_planted_and_names_its_tests(fault: dict[str, Any]) -> None:
    assert planted.place_of(fault, ROOT).suffix == ".py"
    assert fault["was"] != fault["becomes"]
    assert all(path.startswith("tests/") for path in planted.tests_of(fault, ROOT))


def test_a_fault_whose_code_is_gone_is_said() -> None:
    gone = {**FAULTS[0], "was": "this stands nowhere in the code"}
    with pytest.raises(ValueError, match="stands in 0 files"):
        planted.place_of(gone, ROOT)
    with pytest.raises(ValueError, match="no test file is called test_of_nothing"):
        planted.tests_of({**gone, "tests": ["test_of_nothing"]}, ROOT)
