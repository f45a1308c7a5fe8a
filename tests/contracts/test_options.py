"""Options of the standard: each keeps rows and requests alike, or is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import jsonschema
import pandas as pd
import pytest
from pydantic import ValidationError

from fin_kedro.contracts import Contract, ContractError, request_model
from fin_kedro.contracts.options import DOCUMENTATION, ENFORCED, OPTIONS, REFUSED
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.standard import property_names
from fin_kedro.contracts.tables import split_rows
from tests.contracts.samples import document, line_of, prop, read, write
from tests.contracts.test_standard import lint

DOCS = Path(__file__).parents[2] / "docs/contracts.md"


def table(values: list[Any], name: str = "v") -> ir.Table:
    rows = {"id": [f"A{n}" for n in range(len(values))], name: values, "bad": 0}
    return ibis.memtable(pd.DataFrame(rows))


def set_aside(contract: Contract, values: list[Any]) -> list[Any]:
    """The values of the broken rows, in the order of the table."""
    broken = split_rows(contract, table(values))[1].order_by("id").execute()
    return [None if pd.isna(v) else v for v in broken["v"]]


def refused(contract: Contract, values: list[Any]) -> list[Any]:
    """The values that a request may not hold."""
    model, found = request_model(contract), []
    for value in values:
        try:
            model.model_validate({"v": value})
        except ValidationError:
            found.append(value)
    return found


# one of each option: the column, values, which of them break it, worked out by hand

ENFORCED_CASES: dict[str, tuple[dict[str, Any], list[Any], list[Any]]] = {
    "minimum": ({"minimum": 0}, [-0.5, 0.0, 1.0], [-0.5]),
    "maximum": ({"maximum": 3}, [2.0, 3.0, 3.5], [3.5]),
    "exclusiveMinimum": ({"exclusiveMinimum": 0}, [-1.0, 0.0, 1.5], [-1.0, 0.0]),
    "exclusiveMaximum": ({"exclusiveMaximum": 3}, [2.5, 3.0, 4.0], [3.0, 4.0]),
    "both ends open": (
        {"exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.0, 0.5, 1.0], [0.0, 1.0],
    ),
    "multipleOf of decimals": (
        {"multipleOf": 0.01}, [0.07, 1.13, 123456.78, -2.5, 0.0, 0.005, 1e-9], [0.005, 1e-9],
    ),
    "multipleOf of whole numbers": ({"multipleOf": 5}, [0.0, 5.0, -10.0, 7.0], [7.0]),
    "format f32": ({"format": "f32"}, [3e38, -3e38, 1e39, -1e39], [1e39, -1e39]),
    "format f64": ({"format": "f64"}, [1e300, 0.1], []),
}  # fmt: skip
INTEGERS: dict[str, tuple[dict[str, Any], list[int], list[int]]] = {
    "multipleOf": ({"multipleOf": 3}, [0, 3, -6, 7, 2**53 + 1], [7]),  # 2**53 + 1 = 3 * 3002...
    "multipleOf of halves": ({"multipleOf": 2.5}, [0, 5, 6, -10], [6]),
    "exclusive": ({"exclusiveMinimum": 0, "exclusiveMaximum": 3}, [0, 1, 2, 3], [0, 3]),
    "fractional minimum": ({"minimum": 0.5}, [0, 1], [0]),
    "i8": ({"format": "i8"}, [-129, -128, 127, 128], [-129, 128]),
    "u16": ({"format": "u16"}, [-1, 0, 65535, 65536], [-1, 65536]),
    "i32": ({"format": "i32"}, [-(2**31), 2**31], [2**31]),
    "u64": ({"format": "u64"}, [-1, 2**62], [-1]),
    "i64": ({"format": "i64"}, [-(2**63), 2**62], []),
    "the narrower of two": ({"format": "i8", "minimum": -1}, [-2, -1, 128], [-2, 128]),
}
TEXTS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "minLength": ({"minLength": 2}, ["a", "ab", "é"], ["a", "é"]),
    "maxLength": ({"maxLength": 2}, ["ab", "äöü", "😀😀"], ["äöü"]),  # characters, not bytes
    "pattern anywhere": ({"pattern": "[0-9]{3}"}, ["a123b", "12", "1234"], ["12"]),
    "pattern bound": (
        {"pattern": r"^[A-Z]\d+$"}, ["A1", "A1x", "aA1", "A\u0661"], ["A1x", "aA1", "A\u0661"],
    ),
    "uuid": (
        {"format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000", "123e4567"], ["123e4567"],
    ),
    "ipv4": ({"format": "ipv4"}, ["10.0.0.255", "10.0.0.256", "1.2.3"], ["10.0.0.256", "1.2.3"]),
    "email": ({"format": "email"}, ["a.b@c.org", "a@b", "a b@c.org"], ["a@b", "a b@c.org"]),
    "hostname": ({"format": "hostname"}, ["a-b.org", "-a.org", "a_b"], ["-a.org", "a_b"]),
}  # fmt: skip
ALL = [
    *[("number", *case) for case in ENFORCED_CASES.values()],
    *[("integer", *case) for case in INTEGERS.values()],
    *[("string", *case) for case in TEXTS.values()],
]


@pytest.mark.parametrize(("type_", "options", "values", "wrong"), ALL, ids=str)
def test_an_option_keeps_tables_and_requests_alike(
    tmp_path: Path, type_: str, options: dict[str, Any], values: list[Any], wrong: list[Any]
) -> None:
    contract = read(tmp_path, prop("v", type_, options=options))
    assert set_aside(contract, values) == wrong
    assert refused(contract, values) == wrong
    lint(document(prop("v", type_, options=options)))


def test_what_is_enforced_goes_with_the_package(tmp_path: Path) -> None:
    options = {"exclusiveMinimum": 0, "multipleOf": 2}
    contract = read(tmp_path, prop("v", "integer", options=options))
    again = Contract.from_dict(contract.to_dict())
    assert again == contract
    assert refused(again, [0, 1, 2]) == [0, 1]


def test_fifty_of_four_thousand_rows_are_set_aside(tmp_path: Path) -> None:
    contract = read(tmp_path, prop("v", "number", options={"exclusiveMinimum": 0}))
    accepted, broken = split_rows(contract, table([-1.0] * 50 + [1.5] * 3950))
    assert (accepted.count().execute(), broken.count().execute()) == (3950, 50)
    assert broken.reason.first().execute() == "v: -1.0 is not allowed (above 0)"


def test_dates_have_bounds_too(tmp_path: Path) -> None:
    options = {"minimum": "2026-01-01", "exclusiveMaximum": "2026-02-01"}
    contract = read(tmp_path, prop("x", "number"), prop("v", "date", "ignored", options=options))
    days = ["2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01"]
    rows = pd.DataFrame({"id": ["a", "b", "c", "d"], "x": 1.0, "v": days, "bad": 0})
    for type_ in ("date", "timestamp"):
        broken = split_rows(contract, ibis.memtable(rows).mutate(v=ibis._.v.cast(type_)))[1]
        assert broken.id.execute().tolist() == ["a", "d"]
    column = contract.columns["v"]
    assert [d for d in days if column.problem(d)] == ["2025-12-31", "2026-02-01"]
    assert column.problem("31.01.2026") == "'31.01.2026' is no date; write it like 2026-11-30"


def test_the_api_states_the_rules(tmp_path: Path) -> None:
    options = {"exclusiveMinimum": 0, "multipleOf": 5}
    text = {"minLength": 2, "maxLength": 4, "pattern": "^A"}
    contract = read(
        tmp_path,
        prop("v", "integer", options=options),
        prop("t", "string", options=text),
        prop("free", "string"),
    )
    fields = request_model(contract).model_json_schema()["properties"]
    assert {k: fields["v"][k] for k in options} == options
    assert {k: fields["t"][k] for k in text} == text
    assert fields["free"]["minLength"] == 1  # empty is missing, and it is required


@pytest.mark.parametrize("stated", [{"unique": True}, {"primaryKey": True}], ids=str)
def test_repeated_values_of_a_unique_column_are_set_aside(
    tmp_path: Path, stated: dict[str, Any]
) -> None:
    contract = read(tmp_path, prop("x", "number"), prop("v", "integer", "ignored", **stated))
    rows = table([5, 6, 5, 7]).mutate(x=ibis.literal(1.0))
    broken = split_rows(contract, rows)[1].order_by("id").execute()
    assert broken["id"].tolist() == ["A0", "A2"]
    assert set(broken["reason"]) == {"v is not unique"}


def test_missing_values_are_no_repetition(tmp_path: Path) -> None:
    own = {"missingCodes": [-9]}
    contract = read(tmp_path, prop("v", "integer", unique=True, custom=own, required=False))
    assert set_aside(contract, [-9, -9, 4, 4, 5]) == [4, 4]


QUALITY = [
    ({"metric": "nullValues", "mustBe": 0}, [None, "a", "b"], [None]),
    ({"metric": "duplicateValues", "mustBe": 0, "type": "library"}, ["a", "b", "a"], ["a", "a"]),
    ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "^a"}}, ["a", "ba"], ["ba"]),
    (
        {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["a", "b"]}},
        ["a", "b", "c"],
        ["c"],
    ),
    ({"type": "text", "description": "looks nice"}, ["a", "a"], []),
]


@pytest.mark.parametrize(("rule", "values", "wrong"), QUALITY, ids=str)
def test_a_columns_own_quality_rule_is_held(
    tmp_path: Path, rule: dict[str, Any], values: list[Any], wrong: list[Any]
) -> None:
    column = prop("v", "string", required=False, quality=[rule])
    lint(document(column))
    assert set_aside(read(tmp_path, column), values) == wrong


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "nullValues", "mustBeLessThan": 5},
        {"metric": "nullValues", "mustBe": 3},
        {"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": ["x"]}},
        {"metric": "rowCount", "mustBeGreaterThan": 0},
        {"type": "sql", "query": "select 1", "mustBe": 1},
        {"type": "custom", "engine": "soda", "implementation": "x"},
    ],
    ids=str,
)
def test_another_quality_rule_is_refused_with_its_line(
    tmp_path: Path, rule: dict[str, Any]
) -> None:
    path = write(tmp_path, document(prop("v", "string", quality=[{"name": "marked", **rule}])))
    with pytest.raises(ContractError, match="quality rule is not enforced here") as caught:
        read_contract(path)
    assert f":{line_of(path, 'name: marked')}, column v" in str(caught.value)


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "misspelt": (
        {"type_": "number", "options": {"minimun": 0}}, "minimun", "Did you mean 'minimum'",
    ),
    "of another type": (
        {"type_": "string", "options": {"minimum": 0}}, "minimum", "no option of type string",
    ),
    "a boolean has none": (
        {"type_": "boolean", "options": {"minimum": 0}}, "minimum", "no option of type boolean",
    ),
    "minimum as text": (
        {"type_": "number", "options": {"minimum": "0"}}, "minimum",
        "is the text '0'; write a number",
    ),
    "minimum as truth": (
        {"type_": "number", "options": {"minimum": True}}, "minimum", "reads true as a truth value",
    ),
    "minimum not finite": (
        {"type_": "number", "options": {"minimum": float("nan")}}, "minimum", "a finite number",
    ),
    "length as text": (
        {"type_": "string", "options": {"minLength": "2"}}, "minLength", "whole number",
    ),
    "length below 0": (
        {"type_": "string", "options": {"maxLength": -1}}, "maxLength", "whole number",
    ),
    "step of 0": ({"type_": "number", "options": {"multipleOf": 0}}, "multipleOf", "above 0"),
    "looks behind": (
        {"type_": "string", "options": {"pattern": "(?<=a)b"}}, "pattern", "looks around",
    ),
    "no pattern": (
        {"type_": "string", "options": {"pattern": "(a"}}, "pattern", "regular expression",
    ),
    "too large": (
        {"type_": "string", "options": {"pattern": "(a{100}){20}"}}, "pattern", "too large",
    ),
    "format": (
        {"type_": "string", "options": {"format": "uri"}}, "format: uri", "State what it means",
    ),
    "format of numbers": (
        {"type_": "integer", "options": {"format": "i9"}}, "format: i9", "allowed are i8, ",
    ),
    "format of dates": (
        {"type_": "date", "role": "ignored", "options": {"format": "dd.MM.yyyy"}}, "format: dd",
        "Deliver ISO dates",
    ),
    "time zone": (
        {"type_": "timestamp", "role": "ignored", "options": {"defaultTimezone": "Europe/Berlin"}},
        "defaultTimezone", "read as UTC",
    ),
    "no name in the file": ({"type_": "number", "physicalName": ""}, "physicalName", "is empty"),
    "a measure": ({"type_": "number", "semanticType": "measure"}, "semanticType", "only `column`"),
    "columns inside": (
        {"type_": "number", "properties": [{"name": "w"}]}, "properties:\n", "column of columns",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_enforced_is_refused_by_name_and_line(tmp_path: Path, name: str) -> None:
    column, marked, said = REFUSALS[name]
    made = prop("v", column.pop("type_"), column.pop("role", "feature"), **column)
    path = write(tmp_path, document(prop("x", "number"), made))
    with pytest.raises(ContractError, match=said) as caught:
        read_contract(path)
    lines = path.read_text().splitlines()
    found = int(str(caught.value).partition("small.odcs.yaml:")[2].partition(",")[0])
    assert marked.strip() in lines[found - 1]
    assert found > line_of(path, "name: v")


@pytest.mark.parametrize(
    "options",
    [
        {"minimum": 2, "maximum": 1},
        {"exclusiveMinimum": 1, "maximum": 1},
        {"minimum": 1, "exclusiveMaximum": 1},
    ],
    ids=str,
)
def test_bounds_that_leave_nothing_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="column v: .*nothing is allowed"):
        read(tmp_path, prop("v", "number", options=options))


def test_a_key_of_two_columns_without_the_id_is_refused(tmp_path: Path) -> None:
    keys = [
        prop(n, "integer", primaryKey=True, primaryKeyPosition=p) for n, p in (("a", 1), ("b", 2))
    ]
    with pytest.raises(ContractError, match=r"primaryKey of several columns \(a, b\) and id"):
        read(tmp_path, *keys)


def test_every_name_of_the_standard_is_decided_upon_and_told() -> None:
    decided = [*DOCUMENTATION, *ENFORCED, *REFUSED]
    assert sorted(decided) == sorted(property_names())
    text = DOCS.read_text()
    named = {name for names in OPTIONS.values() for name in names}
    assert not [name for name in {*decided, *named} if f"`{name}`" not in text]


def test_what_only_people_read_changes_nothing(tmp_path: Path) -> None:
    plain = prop("v", "number")
    words = {
        "physicalType": "DOUBLE", "physicalName": "v", "tags": ["money"], "deprecated": False,
        "semanticType": "column", "partitioned": False, "criticalDataElement": True,
        "transformLogic": "a + b", "relationships": [{"to": "other.id"}],
    }  # fmt: skip
    vendor = {"property": "steward", "value": "ann", "vendor": "zeenea"}
    noted = {**plain, **words}
    noted["customProperties"] = [*plain["customProperties"], vendor]
    lint(document(noted))
    assert read(tmp_path, noted).digest == read(tmp_path, plain).digest


def test_the_lint_itself_refuses_what_is_wrong() -> None:
    with pytest.raises(jsonschema.ValidationError):
        lint(document(prop("v", "number", options={"minimun": 0})))
