"""A contract's YAML: lines of its parts, dates left as written, nothing stated twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.contracts import ContractError
from fin_kedro.contracts.source import Source, near

PATH = Path("x.yaml")
TEXT = """\
name: a
when: 2026-11-30
rows:
  - {value: NO}
  - value: 012
    more: {1: x, 02: y}
"""


def test_parts_have_lines_and_characters() -> None:
    source = Source.parse(TEXT, PATH)
    assert source.data["when"] == "2026-11-30"
    assert source.data["rows"][0]["value"] is False
    assert source.where("rows", 1, "more") == "x.yaml:6"
    assert source.line("rows", 1, "no such") == 5
    assert (source.written("rows", 0, "value"), source.written("rows", 1, "value")) == ("NO", "012")
    assert source.written("rows") is None and source.written("nowhere") is None
    assert source.keys("rows", 1, "more") == [(6, "1"), (6, "02")]


def test_a_name_stated_twice_is_refused() -> None:
    with pytest.raises(ContractError, match=r"x\.yaml:4: 'b' is stated twice, first in line 2"):
        Source.parse("a:\n  b: 1\n  c: 2\n  b: 3\n", PATH)


@pytest.mark.parametrize("text", ["", "- a", "words", "a: [", "a: &x [*x", "2026-13-45: *y"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="no Open Data Contract Standard file"):
        Source.parse(text, PATH)


def test_a_part_that_holds_itself_does_not_hang() -> None:
    assert Source.parse("a: &x\n  b: *x\n", PATH).line("a", "b") == 2


def test_the_nearest_name_is_suggested() -> None:
    assert near("minimun", ["minimum", "maximum"]) == (
        "; allowed are minimum, maximum. Did you mean 'minimum'?"
    )
    assert near("zzz", ["minimum"]) == "; allowed are minimum."
