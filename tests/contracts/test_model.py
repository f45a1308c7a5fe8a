"""A contract as an object: one value judged, roles found, JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract, ContractError
from tests.contracts.samples import allowed_value, credit_contract, loans

LOANS = loans()


def column(**facts: Any) -> Column:
    return Column(**{"name": "x", "type": "integer", **facts})


@given(st.data())
def test_every_value_that_the_rule_allows_has_no_problem(data: st.DataObject) -> None:
    drawn = data.draw(st.sampled_from(list(LOANS.columns.values())))
    assert drawn.problem(data.draw(allowed_value(drawn))) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("income", -1.0, "-1.0 is below 0"),
        ("income", 10_000_001, "10000001 is above 10000000"),
        ("score", 299, "299 is below 300"),
        ("education", 3, "3 is not an allowed value"),
        ("income", None, "income is required"),
        ("income", "much", "'much' is not of type number"),
        ("income", True, "True is not of type number"),
        ("score", True, "True is not of type integer"),
        ("owner", 1, "1 is not of type boolean"),
        ("town", 7, "7 is not of type string"),
        ("income", float("nan"), "nan is not of type number"),
        ("income", float("inf"), "inf is not of type number"),
        ("score", 400.5, "400.5 is not of type integer"),
        ("score", 400.0, "400.0 must be written as an integer, without a decimal point"),
        ("score", -9.0, "-9.0 must be written as an integer, without a decimal point"),
    ],
)
def test_a_broken_value_is_named(name: str, value: object, said: str) -> None:
    assert LOANS.columns[name].problem(value) == said


def test_a_number_too_large_for_a_float_is_still_judged() -> None:
    assert str(LOANS.columns["income"].problem(10**400)).endswith("is above 10000000")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"minimum": 0, "maximum": 10_000_000}, "0 to 10000000"),
        ({"minimum": -1e7}, "at least -10000000"),
        ({"maximum": 0.25}, "at most 0.25"),
        ({"maximum": 123456.75}, "at most 123456.75"),
        ({}, "any integer"),
        ({"allowed": (1, 2), "labels": {1: "yes"}}, "1 (yes), 2"),
        ({"recode": {0: 4}}, "any integer; 0 (read as 4)"),
        ({"missing_codes": (-9, -8)}, "any integer; -9, -8 (means missing)"),
        ({"minimum": 0, "required": False, "unit": "EUR"}, "at least 0; may be missing [EUR]"),
    ],
)
def test_the_rule_in_words(facts: dict[str, Any], text: str) -> None:
    assert column(**facts).allowed_text() == text


def test_columns_by_role() -> None:
    assert (LOANS.id.name, LOANS.target.name, LOANS.time) == ("number", "bad", None)
    assert [c.name for c in LOANS.protected] == ["sex"]
    assert {c.role for c in LOANS.features} == {"feature"}


@pytest.mark.parametrize("role", ["id", "target"])
def test_a_role_that_must_be_there_once(role: str) -> None:
    without = {n: c for n, c in LOANS.columns.items() if c.role != role}
    with pytest.raises(ContractError, match=rf"0 columns have role '{role}'.*loans\.odcs\.yaml"):
        getattr(replace(LOANS, columns=without), role)


def test_where_names_file_and_line() -> None:
    assert LOANS.where("score") == "loans.odcs.yaml:11"
    assert LOANS.where("no such column") == "loans.odcs.yaml"


@pytest.mark.parametrize("contract", [LOANS, credit_contract()], ids=lambda c: c.name)
def test_through_json_and_back_it_is_the_same(contract: Contract) -> None:
    again = Contract.from_dict(json.loads(json.dumps(contract.to_dict())))
    assert again == contract
    assert again.digest == contract.digest


def test_the_digest_is_of_the_meaning_not_of_the_place() -> None:
    moved = {n: replace(c, line=c.line + 5) for n, c in LOANS.columns.items()}
    assert replace(LOANS, path="elsewhere.yaml", columns=moved).digest == LOANS.digest


@pytest.mark.parametrize(
    "change", [{"minimum": 1}, {"role": "ignored"}, {"missing_codes": (-1,)}, {"reason": "new"}]
)
def test_the_digest_changes_with_the_meaning(change: dict[str, Any]) -> None:
    changed = replace(LOANS.columns["income"], **change)
    assert replace(LOANS, columns={**LOANS.columns, "income": changed}).digest != LOANS.digest
