"""The request model takes what the contract allows, and nothing else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fin_kedro.contracts import Column, Contract, request_model
from fin_kedro.contracts.column import plain_text
from fin_kedro.contracts.requests import example, raw_row, reference_name
from tests.contracts.samples import application, credit_contract, loans

LOANS, CREDIT = loans(), credit_contract()
MODEL, CREDIT_MODEL = request_model(LOANS), request_model(CREDIT)
GOOD = {"income": 1000.0, "score": 700, "education": 1}


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        MODEL.model_validate({**GOOD, **changes})
    return str(caught.value)


@given(application(LOANS))
def test_any_row_under_the_rules_is_accepted(row: dict[str, Any]) -> None:
    given_back = MODEL.model_validate_json(json.dumps(row)).model_dump(exclude_unset=True)
    texts = {name: plain_text(value) for name, value in row.items() if isinstance(value, str)}
    assert given_back == {**row, **texts}


@settings(max_examples=30)
@given(application(CREDIT))
def test_any_credit_application_under_the_rules_is_accepted(row: dict[str, Any]) -> None:
    CREDIT_MODEL.model_validate_json(json.dumps(row))


@given(st.sampled_from(sorted(LOANS.columns)), st.integers() | st.floats() | st.text() | st.none())
def test_model_and_rule_agree_on_any_value(name: str, value: object) -> None:
    column = LOANS.columns[name]
    allowed = column.role == "feature" and column.problem(value) is None
    try:
        MODEL.model_validate({**GOOD, name: value})
    except ValidationError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize("field", ["sex", "bad", "number", "incme"])
def test_protected_target_and_unknown_fields_are_refused(field: str) -> None:
    assert "Extra inputs are not permitted" in refusal(**{field: 1})


def test_codes_that_are_recoded_or_mean_missing_are_raw_values() -> None:
    MODEL.model_validate({**GOOD, "education": 5, "score": -9, "town": "n/a"})


@pytest.mark.parametrize("field", ["town", "owner", "debt"])
def test_an_optional_field_may_be_null_or_absent(field: str) -> None:
    assert getattr(MODEL.model_validate(GOOD), field) is None
    MODEL.model_validate({**GOOD, field: None})


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_required_field_may_be_neither(field: str) -> None:
    with pytest.raises(ValidationError, match=f"{field}\n  Field required"):
        MODEL.model_validate({k: v for k, v in GOOD.items() if k != field})
    assert field in refusal(**{field: None})


@pytest.mark.parametrize(
    "wrong",
    [
        {"income": math.nan},
        {"income": math.inf},
        {"debt": -math.inf},
        {"income": "1000"},
        {"income": True},
        {"score": True},
        {"score": 700.0},
        {"score": "700"},
        {"education": 1.0},
        {"owner": 1},
        {"town": 3},
        {"income": []},
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    assert next(iter(wrong)) in refusal(**wrong)


def test_a_value_against_the_rule_is_refused_with_what_is_allowed() -> None:
    assert "851 is above 850; allowed: 300 to 850" in refusal(score=851)
    assert "3 is not an allowed value; allowed: 1 (school), 2; 5 (read as 2)" in refusal(
        education=3
    )


def test_the_example_is_accepted_and_complete() -> None:
    shown = example(CREDIT)
    CREDIT_MODEL.model_validate(shown)
    assert list(shown) == [c.name for c in CREDIT.features]
    assert CREDIT_MODEL.model_json_schema()["example"] == shown


def test_the_schema_states_the_rule() -> None:
    fields = MODEL.model_json_schema()["properties"]
    assert fields["education"]["enum"] == [1, 2, 5]
    assert (fields["income"]["minimum"], fields["income"]["maximum"]) == (0, 10_000_000)
    assert "minimum" not in fields["score"]  # -9 is allowed too


ODD = ("_score", "schema", "copy", "model_config", "self", "__doc__", "debt ratio (%)", "Größe")


@pytest.mark.parametrize("name", ODD)
def test_a_column_may_bear_a_name_that_python_cannot(name: str) -> None:
    """Callers write the contract's name; so do the errors and the API's page."""
    column = Column(name=name, type="number", role="feature", minimum=0)
    key = Column(name="number", type="integer", role="id")
    model = request_model(Contract(name="odd", version="1", columns={"n": key, name: column}))
    model.model_validate({name: 0.5, "id": "A1"})
    assert name in model.model_json_schema()["properties"]
    for wrong in ({name: -1.0}, {}):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(wrong)
        assert caught.value.errors()[0]["loc"] == (name,)
    with pytest.raises(ValidationError, match="column_0__"):
        model.model_validate({name: 0.5, "column_0__": 0.5})


@pytest.mark.parametrize("name", [*ODD, "id", "reference__", "ID"])
def test_a_row_is_read_under_the_names_that_callers_write(name: str) -> None:
    columns = [Column(name=n, type="number", role="feature") for n in (name, "amount")]
    contract = Contract(name="odd", version="1", columns={c.name: c for c in columns})
    model, own = request_model(contract), reference_name(columns)
    assert own == ("fin_kedro__id" if name in ("id", "ID") else "id")
    row = raw_row(model.model_validate({name: 0.5, "amount": 7.0, own: 9_007_199_254_740_993}))
    assert row == {name: 0.5, "amount": 7.0, own: 9_007_199_254_740_993}
    assert raw_row(model.model_validate({name: 0.5, "amount": 7.0}))[own] is None


@pytest.mark.parametrize("reference", ["A1", "007", "", 7, 2**63 - 1, None])
def test_a_reference_is_a_text_or_an_integer_and_stays_what_it_is(reference: Any) -> None:
    found = raw_row(MODEL.model_validate({**GOOD, "id": reference}))["id"]
    assert (found, type(found)) == (reference, type(reference))


@pytest.mark.parametrize("reference", [1.0, True, 2**63, ["A1"], {}])
def test_any_other_reference_is_refused_once(reference: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        MODEL.model_validate({**GOOD, "id": reference})
    (error,) = caught.value.errors()
    assert error["loc"] == ("id",)
