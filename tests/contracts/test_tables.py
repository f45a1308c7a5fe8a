"""A contract held against a table: structure, broken rows and their reasons, cleaning."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract, ContractError
from fin_kedro.contracts.model import Comparison
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.requests import request_model
from fin_kedro.contracts.tables import (
    ContractValidator,
    check_rows,
    check_structure,
    clean,
    split_rows,
)
from tests.contracts.samples import CREDIT, allowed_value, loans

LOANS = loans()
TYPES = {
    "number": pa.int64(),
    "income": pa.float64(),
    "score": pa.float64(),  # an integer column that came as floats
    "education": pa.int64(),
    "town": pa.string(),
    "owner": pa.bool_(),
    "debt": pa.float64(),
    "sex": pa.int64(),
    "bad": pa.int64(),
}
GOOD = {
    "income": 1000.0, "score": 700.0, "education": 1, "town": "Ulm",
    "owner": True, "debt": 5.0, "sex": 1, "bad": 0,
}  # fmt: skip


def table(*rows: dict[str, Any], **types: pa.DataType) -> ir.Table:
    """Return rows as a table; each is the good one with changes and its place as number."""
    full = [{"number": place, **GOOD, **row} for place, row in enumerate(rows)]
    return ibis.memtable(pa.Table.from_pylist(full, schema=pa.schema({**TYPES, **types}.items())))


def reasons(*rows: dict[str, Any], **types: pa.DataType) -> dict[int, str]:
    """Return the reason of each broken row, by number."""
    broken = split_rows(LOANS, table(*rows, **types))[1].execute()
    return dict(zip(broken["number"], broken["reason"], strict=True))


# structure


def test_a_good_table_passes_and_comes_back() -> None:
    data = table({}, {"score": -9.0}, {"town": None, "bad": 1})
    check_structure(LOANS, data)
    check_rows(LOANS, data)


def test_a_missing_column_is_named_with_the_contracts_line() -> None:
    with pytest.raises(
        ContractError, match=r"column score is missing \(stated at loans.odcs.yaml:11\)"
    ):
        check_structure(LOANS, table({}).drop("score"))


def test_a_wrong_type_is_named_with_value_and_allowed() -> None:
    data = table({"income": "12"}, {"income": "much"}, income=pa.string())
    said = (
        r"column income is of type string, e\.g\. 'much'; allowed: number \(stated at loans.*:7\)"
    )
    with pytest.raises(ContractError, match=said):
        check_structure(LOANS, data)


def test_every_structural_mistake_is_in_one_message() -> None:
    data = table({"income": "x"}, income=pa.string()).drop("score", "town")
    with pytest.raises(ContractError, match=r"(?s)income.*score is missing.*town is missing"):
        check_structure(LOANS, data)


@pytest.mark.parametrize("type_", [pa.int8(), pa.int16(), pa.uint32(), pa.float32()])
def test_any_type_of_the_family_will_do(type_: pa.DataType) -> None:
    check_structure(LOANS, table({}, {"bad": 1}, education=type_))


def test_further_columns_are_left_alone() -> None:
    data = table({}, {"bad": 1}).mutate(note=ibis.literal("x"))
    check_structure(LOANS, data)
    assert "note" not in split_rows(LOANS, data)[0].columns


def test_an_unknown_target_value_is_refused_not_guessed() -> None:
    data = table({"bad": 7}, {"bad": 7}, {"bad": -1}, {})
    with pytest.raises(
        ContractError,
        match=r"column bad: unknown target value -1 \(1 rows\), 7 \(2 rows\).*0, 1.*:35",
    ):
        check_structure(LOANS, data)


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_outcome_alone_teaches_nothing(outcome: int) -> None:
    data = table({"bad": outcome}, {"bad": outcome}, {"bad": None})
    with pytest.raises(ContractError, match=rf"column bad: every row has only {outcome}.*:35"):
        check_structure(LOANS, data)


# rows

BROKEN = [
    ({"income": None}, "income is missing"),
    ({"income": -0.5}, "income: -0.5 is not allowed (0 to 10000000)"),
    ({"income": 1e8}, "income: 100000000.0 is not allowed (0 to 10000000)"),
    ({"income": float("nan")}, "income: nan is not allowed (0 to 10000000)"),
    ({"debt": float("inf")}, "debt: inf is not allowed (any number; may be missing)"),
    ({"education": 3}, "education: 3 is not allowed (1 (school), 2; 5 (read as 2))"),
]


@pytest.mark.parametrize(("row", "reason"), BROKEN, ids=str)
def test_a_broken_row_says_why(row: dict[str, Any], reason: str) -> None:
    assert {k: v.lower() for k, v in reasons({}, row).items()} == {1: reason.lower()}


@pytest.mark.parametrize("value", [700.5, float("inf"), float("nan"), 1e300, 299.0])
def test_an_integer_column_of_floats_holds_whole_numbers_in_range(value: float) -> None:
    assert "score: " in reasons({}, {"score": value})[1]


@pytest.mark.parametrize("value", [-9.0, 0.0, 300.0, 850.0])
def test_codes_pass_though_they_are_out_of_range(value: float) -> None:
    assert reasons({"score": value}) == {}


def test_all_reasons_of_a_row_are_listed() -> None:
    assert (
        reasons({"income": None, "sex": 3})[0] == "income is missing; sex: 3 is not allowed (1, 2)"
    )


def test_rows_that_share_an_id_are_all_set_aside() -> None:
    found = split_rows(LOANS, table({"number": 5}, {"number": 6}, {"number": 5}))
    assert found[0].number.execute().tolist() == [6]
    assert found[1].reason.execute().tolist() == ["number is not unique"] * 2


def test_check_rows_names_rows_and_reasons() -> None:
    data = table({}, {"sex": 3}, {"income": -1.0})
    with pytest.raises(
        ContractError, match=r"2 rows break .*number 1: sex: 3.*number 2: income: -1\.0.*quarantine"
    ):
        check_rows(LOANS, data)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-20, 20) | st.integers(250, 900),
    "number": st.floats(width=64) | st.sampled_from([-1.0, 0.0, 1e7, 1e7 + 1]),
    "string": st.sampled_from(["", "Ulm", "n/a", "ö'\"%"]),
    "boolean": st.booleans(),
}


def raw_value(column: Column) -> st.SearchStrategy[Any]:
    """Return values on both sides of the rule, and missing ones."""
    return VALUES[column.type] | allowed_value(column) | st.none()


JUDGED = [c for c in LOANS.columns.values() if c.role != "id"]
ROW = st.fixed_dictionaries({c.name: raw_value(c) for c in JUDGED})


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_a_row_is_accepted_if_and_only_if_each_value_is(rows: list[dict[str, Any]]) -> None:
    broken = reasons(*rows, score=pa.int64())
    for place, row in enumerate(rows):
        wrong = [c.name for c in JUDGED if c.problem(row[c.name]) is not None]
        found = {
            part.split()[0].rstrip(":") for part in filter(None, broken.get(place, "").split("; "))
        }
        assert {c.name for c in JUDGED} & found == set(wrong)


# cleaning


def test_clean_recodes_and_makes_missing_codes_null() -> None:
    data = table({"score": -9.0, "education": 5, "town": "n/a"}, {"score": 0.0})
    first, second = clean(LOANS, data).order_by("number").execute().to_dict("records")
    assert pd.isna(first["score"]) and first["education"] == 2 and pd.isna(first["town"])
    assert second["score"] == 300


def test_an_empty_text_is_a_missing_one() -> None:
    empty, there = (
        clean(LOANS, table({"town": ""}, {"town": "Ulm"})).order_by("number").execute().town
    )
    assert pd.isna(empty) and there == "Ulm"


def test_clean_leaves_all_else_as_it_is() -> None:
    data = table({}, {"income": None, "debt": None})
    pd.testing.assert_frame_equal(clean(LOANS, data).execute(), data.execute())


# the catalog's validator


def credit_table(**changes: Any) -> ir.Table:
    from tests.contracts.samples import credit_contract

    row = {c.name: c.example or 0 for c in credit_contract().columns.values()}
    rows = [{**row, **changes, "ID": outcome, "DEFAULT": outcome} for outcome in (0, 1)]
    return ibis.memtable(pd.DataFrame(rows))


def test_the_validator_checks_structure_or_rows() -> None:
    structure = ContractValidator(contract=str(CREDIT))
    rows = ContractValidator(contract=str(CREDIT), rows=True)
    good, broken = credit_table(), credit_table(AGE=3)
    assert structure.validate(good) is good and structure.validate(broken) is broken
    assert rows.validate(good) is good
    with pytest.raises(ContractError, match="AGE: 3 is not allowed"):
        rows.validate(broken)


def test_the_validator_needs_a_contract(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no contract at"):
        ContractValidator(contract=str(tmp_path / "none.yaml"))


# two columns


@pytest.mark.parametrize(
    ("sign", "broken"),
    [("<=", {2}), ("<", {1, 2}), (">=", {0}), (">", {0, 1}), ("==", {0, 2}), ("!=", {1})],
)
def test_a_comparison_of_two_columns_is_held_in_every_row(sign: str, broken: set[int]) -> None:
    rows = table({"debt": 999.0}, {"debt": 1000.0}, {"debt": 1001.0}, {"debt": None})
    contract = replace(LOANS, comparisons=(Comparison(left="debt", sign=sign, right="income"),))
    kept, lost = split_rows(contract, rows)
    reasons = dict(lost.select("number", "reason").execute().itertuples(index=False))
    assert reasons == dict.fromkeys(broken, f"debt {sign} income does not hold")
    assert set(kept.number.execute()) == {0, 1, 2, 3} - broken


def test_several_broken_rules_are_all_told() -> None:
    contract = replace(LOANS, comparisons=(Comparison(left="debt", sign="<", right="income"),))
    lost = split_rows(contract, table({"debt": 1e4, "town": "Ulm", "sex": 3}))[1].execute()
    assert lost["reason"].tolist() == ["sex: 3 is not allowed (1, 2); debt < income does not hold"]


def test_a_transaction_is_known_after_it_happened() -> None:
    contract = read_contract(CREDIT.with_name("card_transactions.odcs.yaml"))
    assert [str(rule) for rule in contract.comparisons] == ["known_us >= event_us"]


WORDS = ["café", "cafe\u0301", " café ", "caf\u00e9\t", "bank"]


def test_the_same_word_in_another_form_is_the_same_word() -> None:
    """Composed or not, with blanks around or not: one level in tables, contract and requests."""
    contract = sample_contract_of_words()
    table = ibis.memtable({"id": [f" {n}" for n in range(5)], "word": WORDS, "y": [0, 1, 0, 1, 0]})
    accepted, broken = split_rows(contract, table)
    found = accepted.order_by("id").execute()
    assert found["word"].tolist() == ["caf\u00e9"] * 4 + ["bank"]
    assert found["id"].tolist() == [f" {n}" for n in range(5)], "an id is what it is"
    assert broken.count().execute() == 0
    model = request_model(contract)
    assert {model(word=word).word for word in WORDS} == {"caf\u00e9", "bank"}


def sample_contract_of_words() -> Contract:
    columns = {
        "id": Column(name="id", type="string", role="id"),
        "word": Column(name="word", type="string", role="feature", allowed=("caf\u00e9", "bank")),
        "y": Column(name="y", type="integer", role="target"),
    }
    return Contract(name="words", version="1", columns=columns)


# width


def wide(columns: int) -> Contract:
    """A contract of many columns: ranges, lists of six values, and plain numbers in turn."""
    kinds: list[dict[str, Any]] = [
        {"type": "integer", "minimum": 0, "maximum": 8},
        {"type": "string", "allowed": ("a", "b", "c", "d", "e", "f")},
        {"type": "number", "required": False},
    ]
    made = [
        Column(name=f"c{place:03d}", role="feature", **kinds[place % len(kinds)])
        for place in range(columns)
    ]
    key = Column(name="id", type="integer", role="id")
    return Contract(name="wide", version="1", columns={c.name: c for c in (key, *made)})


def wide_rows(contract: Contract, rows: int) -> pd.DataFrame:
    """Good rows: each column holds one value that its kind allows."""
    good = {"integer": 3, "string": "f", "number": 0.5}
    data = {c.name: [good[c.type]] * rows for c in contract.columns.values()}
    return pd.DataFrame({**data, "id": range(rows)})


ANY = "is not allowed (any number; may be missing)"


def test_hundreds_of_columns_are_judged_as_a_few_are() -> None:
    """The texts of 250 columns were once one chain, too deep for Python (RecursionError)."""
    contract = wide(330)
    rows = wide_rows(contract, 20)
    rows.loc[3, "c000"], rows.loc[3, "c299"] = 9, float("inf")
    rows.loc[4, "c301"] = "g"
    rows.loc[5, "id"] = 6
    data = ibis.memtable(rows)
    accepted, broken = split_rows(contract, data)
    found = broken.select("id", "reason").order_by("id", "reason").execute()
    assert list(zip(found["id"], found["reason"], strict=True)) == [
        (3, f"c000: 9 is not allowed (0 to 8); c299: inf {ANY}"),
        (4, "c301: g is not allowed (a, b, c, d, e, f)"),
        (6, "id is not unique"),
        (6, "id is not unique"),
    ]
    assert sorted(accepted.id.execute()) == [0, 1, 2, *range(7, 20)]


def depth_of(sql: str) -> int:
    """Most brackets that are open at once."""
    levels = [(letter == "(") - (letter == ")") for letter in sql]
    return max(itertools.accumulate(levels))


def test_twice_the_columns_are_twice_the_query_and_no_deeper() -> None:
    """What every library on the way walks: its length, and how deep it goes."""
    queries = []
    for columns in (100, 200):
        contract = wide(columns)
        data = ibis.memtable(wide_rows(contract, 2))
        queries.append([ibis.to_sql(part) for part in split_rows(contract, data)])
    for narrow, double in zip(*queries, strict=True):
        assert len(double) < 2.1 * len(narrow)
        assert depth_of(double) <= depth_of(narrow) + 2 < 40


@pytest.mark.parametrize("codes", [1, 4, 5, 64, 65, 300])
def test_a_list_of_codes_of_any_length_is_looked_up(codes: int) -> None:
    column = Column(name="level", type="integer", role="feature", allowed=tuple(range(codes)))
    key = Column(name="id", type="integer", role="id")
    contract = Contract(name="levels", version="1", columns={"id": key, "level": column})
    values = [0, codes - 1, codes, -1]
    rows = pd.DataFrame({"id": range(4), "level": values})
    accepted, broken = split_rows(contract, ibis.memtable(rows))
    assert sorted(accepted.id.execute()) == [0, 1]
    assert sorted(broken.id.execute()) == [2, 3]
