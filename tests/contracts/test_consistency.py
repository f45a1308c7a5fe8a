"""What a contract states fits together, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fin_kedro.contracts import ContractError
from fin_kedro.contracts.reading import read_contract
from tests.contracts.samples import document, prop, read, write

LIMITED = {"options": {"minimum": 0, "maximum": 9}}


@pytest.mark.parametrize(
    ("type_", "more", "said"),
    [
        ("integer", {**LIMITED, "enum": [1, 10]}, "the enum lists 10, and 10 is above 9"),
        ("string", {"options": {"pattern": "^a"}, "enum": ["a", "b"]}, "'b' does not match"),
        ("string", {"enum": ["a", ""]}, "an empty text means missing"),
        ("string", {"custom": {"recode": {"": "a"}}}, "reads an empty text as 'a'"),
        ("integer", {**LIMITED, "custom": {"recode": {-1: 12}}}, "recode leads to 12.*above 9"),
        (
            "integer",
            {"custom": {"recode": {-1: 0}, "missingCodes": [-1]}},
            "-1 is recoded and means missing",
        ),
        ("integer", {**LIMITED, "examples": [12]}, "the example is not allowed: 12 is above 9"),
        ("string", {"options": {"minLength": 3, "maxLength": 2}}, "minLength 3 is above maxLength"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, type_: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ContractError, match=f":[0-9]+, column v: .*{said}"):
        read(tmp_path, prop("v", type_, **more))


def test_codes_outside_the_range_may_mean_missing_or_be_recoded(tmp_path: Path) -> None:
    own = {"missingCodes": [-9], "recode": {99: 9}}
    column = read(tmp_path, prop("v", "integer", custom=own, examples=[-9], **LIMITED)).columns["v"]
    assert [column.problem(v) for v in (-9, 99, 0, 9)] == [None] * 4
    assert column.problem(98) == "98 is above 9"


def test_an_outcome_of_words_needs_its_bad_value_stated(tmp_path: Path) -> None:
    outcome = prop("outcome", "string", "target", enum=["good", "bad"])
    with pytest.raises(ContractError, match="`event` is '1', which is no allowed value"):
        read(tmp_path, prop("v", "number"), outcome)
    content = document(prop("v", "number"), outcome)
    del content["schema"][0]["customProperties"]
    with pytest.raises(ContractError, match="bad value of outcome is not stated"):
        read_contract(write(tmp_path, content))
    content["schema"][0]["properties"][2] = prop("outcome", "boolean", "target")
    assert read_contract(write(tmp_path, content)).event is True


@pytest.mark.parametrize("listed", ["missingCodes", "recode"])
def test_a_bad_value_that_is_never_read_is_refused(tmp_path: Path, listed: str) -> None:
    own = {"missingCodes": [1]} if listed == "missingCodes" else {"recode": {1: 0}}
    outcome = prop("outcome", "integer", "target", custom=own)
    with pytest.raises(ContractError, match="`event` is 1, which is no allowed value"):
        read(tmp_path, prop("v", "number"), outcome)
