"""One property as a column: custom properties, sign, codes; each mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fin_kedro.contracts import ContractError
from fin_kedro.contracts.reading import read_contract
from tests.contracts.samples import document, line_of, prop, read, write


@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize(
    ("type_", "more", "said"),
    [
        ("string", {}, "a string has no direction"),
        ("integer", {"scale": "nominal"}, "a code without order .scale: nominal. has no direction"),
    ],
)
def test_what_has_no_order_has_no_sign(
    tmp_path: Path, type_: str, more: dict[str, str], said: str, sign: str
) -> None:
    path = write(tmp_path, document(prop("v", type_, custom={"expectedSign": sign, **more})))
    with pytest.raises(ContractError, match=said) as found:
        read_contract(path)
    assert f":{line_of(path, f'value: {sign}')}, column v" in str(found.value)


def test_a_sign_of_a_number_or_a_truth_is_read(tmp_path: Path) -> None:
    contract = read(
        tmp_path,
        prop("v", "number", custom={"expectedSign": "negative"}),
        prop("w", "boolean", custom={"expectedSign": "positive"}),
        prop("t", "string", custom={"expectedSign": "none"}),
    )
    assert [contract.columns[n].sign for n in ("v", "w", "t")] == [-1, 1, 0]


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ({"scale": "nominl"}, "scale is 'nominl'.*Did you mean 'nominal'"),
        ({"unit": 1.5}, "unit is 1.5, and the column is of type string.*in quotes: '1.5'"),
        ({"reason": True}, "reason is True.*in quotes: 'true'"),
        ({"recode": {1: 2, "1": 3}}, "recode of 1 is stated twice"),
        ({"missingCodes": "x"}, "missingCodes is 'x'; write it like"),
    ],
    ids=str,
)
def test_a_custom_property_is_held_to_its_kind(
    tmp_path: Path, custom: dict[str, Any], said: str
) -> None:
    with pytest.raises(ContractError, match=f":[0-9]+, column v: {said}"):
        read(tmp_path, prop("v", "integer", custom=custom))


def test_a_custom_property_stated_twice_is_refused(tmp_path: Path) -> None:
    twice = prop("v", "integer")
    twice["customProperties"] += [{"property": "role", "value": "ignored"}]
    with pytest.raises(ContractError, match="custom property 'role' is stated twice"):
        read(tmp_path, prop("x", "number"), twice)


def test_an_enum_value_stated_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="an enum value is 1, stated twice"):
        read(tmp_path, prop("v", "integer", enum=[1, "1"]))


@pytest.mark.parametrize(("name", "level"), [("event", "the table"), ("role", "a column")])
def test_a_property_of_ours_above_the_table_is_refused(
    tmp_path: Path, name: str, level: str
) -> None:
    content = document(prop("v", "number"))
    content["customProperties"] = [{"property": name, "value": 1}]
    with pytest.raises(ContractError, match=f"'{name}' belongs to {level}"):
        read_contract(write(tmp_path, content))
