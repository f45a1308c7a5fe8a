"""Values of a contract: of their column's type, or refused with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.contracts import ContractError, request_model
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import clean, split_rows
from fin_kedro.contracts.typed import typed
from tests.contracts.samples import document, line_of, prop, read, write


@pytest.mark.parametrize(
    ("value", "type_", "made"),
    [
        ("1", "integer", 1),
        (1.0, "integer", 1),
        ("-12", "integer", -12),
        ("0.5", "number", 0.5),
        ("1e3", "number", 1000.0),
        (7, "number", 7),
        (7, "string", "7"),
        (1, "boolean", True),
        ("2026-11-30", "date", "2026-11-30"),
        ("2026-11-30T10:00:00Z", "timestamp", "2026-11-30T10:00:00Z"),
    ],
)
def test_what_can_be_meant_one_way_only_is_converted(value: Any, type_: str, made: Any) -> None:
    found = typed(value, type_)
    assert (found, type(found)) == (made, type(made))


@pytest.mark.parametrize(
    ("value", "type_", "said"),
    [
        (None, "string", "nothing stands there"),
        ([1], "integer", "it is a list"),
        (False, "string", "truth value .False.; write it in quotes"),
        (1.1, "string", "a number .1.1.; write it in quotes"),
        ("01", "integer", "whole number"),
        ("one", "integer", "whole number"),
        (1.5, "integer", "whole number"),
        (2**63, "integer", "at most 63 bits"),
        (True, "integer", "truth value"),
        (float("inf"), "number", "finite number"),
        ("1,5", "number", "finite number"),
        (2, "boolean", "true or false"),
        ("yes", "boolean", "true or false"),
        ("30.11.2026", "date", "2026-11-30"),
        ("2026-02-30", "date", "2026-11-30"),
        ("20261130", "timestamp", "2026-11-30T10"),
    ],
)
def test_what_cannot_is_refused_with_the_way_out(value: Any, type_: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        typed(value, type_)


def test_characters_that_yaml_reads_otherwise_are_not_guessed() -> None:
    with pytest.raises(ValueError, match="reads 010 as a number .8.; write it in quotes: '010'"):
        typed(8, "string", written="010")


# the case codes_as_text: integers in training and service alike


def test_codes_written_as_texts_are_the_integers(tmp_path: Path) -> None:
    contract = read(tmp_path, prop("v", "integer", enum=["1", "2", "3"]))
    assert contract.columns["v"].allowed == (1, 2, 3)
    rows = pd.DataFrame({"id": list("abcd"), "v": [1, 2, 3, 4], "bad": 0})
    assert split_rows(contract, ibis.memtable(rows))[1].id.execute().tolist() == ["d"]
    model = request_model(contract)
    assert model.model_validate({"v": 3}).v == 3
    with pytest.raises(ValueError, match="4 is not an allowed value"):
        model.model_validate({"v": 4})
    assert model.model_json_schema()["properties"]["v"]["enum"] == [1, 2, 3]


# the case yaml_no


def test_no_without_quotes_is_refused_with_its_line(tmp_path: Path) -> None:
    column = prop("land", "string", enum=["SE", "NO"])
    text = Path(write(tmp_path, document(column))).read_text().replace("'NO'", "NO")
    path = write(tmp_path, text)
    with pytest.raises(
        ContractError, match="False.*in YAML|YAML reads NO as a truth value"
    ) as found:
        read_contract(path)
    assert str(found.value).startswith(f"{path}:{line_of(path, 'value: NO')}, column land")
    assert "in quotes: 'NO'" in str(found.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "enum": ({"enum": ["x9x"]}, "x9x"),
    "missing code": ({"custom": {"missingCodes": [-1, "x9x"]}}, "x9x"),
    "recoded": ({"custom": {"recode": {"x9x": 1}}}, "x9x"),
    "recoded to": ({"custom": {"recode": {5: "x9x"}}}, "x9x"),
    "example": ({"examples": [1, "x9x"]}, "x9x"),
    "valid value": (
        {
            "quality": [
                {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["x9x"]}}
            ]
        },
        "x9x",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_value_is_held_to_the_type_with_its_line(tmp_path: Path, name: str) -> None:
    more, marked = WRONG[name]
    path = write(tmp_path, document(prop("v", "integer", **more)))
    with pytest.raises(ContractError, match="'x9x', and the column is of type integer") as found:
        read_contract(path)
    assert f":{line_of(path, marked)}, column v" in str(found.value)


def test_the_bad_value_is_of_the_targets_type(tmp_path: Path) -> None:
    outcome = prop("outcome", "string", "target", enum=["good", "NO"])
    features = (prop("v", "number"), outcome)
    with pytest.raises(ContractError, match="`event` is False, and the column is of type string"):
        read(tmp_path, *features, event=False)
    with pytest.raises(ContractError, match="`event` is 'bad', which is no allowed value"):
        read(tmp_path, *features, event="bad")
    assert read(tmp_path, *features, event="NO").event == "NO"
    assert read(tmp_path, prop("v", "number"), event="1").event == 1
    yes = prop("outcome", "boolean", "target")
    assert read(tmp_path, prop("v", "number"), yes, event=1).event is True


def test_codes_wider_than_the_files_integers_are_read(tmp_path: Path) -> None:
    own = {"missingCodes": [999], "recode": {5: 300}}
    contract = read(tmp_path, prop("v", "integer", custom=own))
    rows = ibis.memtable(pd.DataFrame({"id": list("ab"), "v": [5, 7], "bad": 0}))
    narrow = rows.mutate(v=rows.v.cast("int8"))
    assert clean(contract, narrow).order_by("id").v.execute().tolist() == [300, 7]
