"""Ids that no column of a file holds: the row's number, its content, several columns together."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import Contract, ContractError
from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import split_rows
from tests.contracts.samples import document, line_of, prop, write

NUMBER = itertools.count()
A, B = prop("a", "string", required=False), prop("b", "number", required=False)
BAD = prop("bad", "integer", "target", enum=[0, 1])


def contract_of(folder: Path, *columns: dict[str, Any], made: str | None = None) -> Path:
    """A contract of these columns and the outcome, without the samples' own id."""
    content = document(*columns, BAD)
    table = content["schema"][0]
    table["properties"] = [p for p in table["properties"] if p["name"] != "id"]
    if made:
        table["customProperties"].append({"property": "id", "value": made})
    return write(folder, content)


def delivered(folder: Path, contract: Path, frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    path = folder / f"rows{next(NUMBER)}.{kind}"  # the engine may keep of a file what it once read
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    found = DeliveredTable(
        contract=str(contract),
        filepath=str(path),
        file_format=kind,
        connection={"backend": "duckdb", "database": ":memory:"},
    ).load()
    return found.execute()


def rows(*values: tuple[Any, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(values, columns=["a", "b"]).assign(bad=0)
    return frame.assign(b=frame["b"].astype("float64"), a=frame["a"].astype("str"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_has_its_number_in_the_file(tmp_path: Path, kind: str) -> None:
    many = rows(*((f"t{i}", i / 8) for i in range(5000)))
    found = delivered(tmp_path, contract_of(tmp_path, A, B, made="row"), many, kind)
    assert found.columns.tolist() == ["a", "b", "bad", "row_number"]
    assert (found["a"] == "t" + (found["row_number"] - 1).astype(str)).all()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_content_is_a_digest_and_equal_rows_are_numbered(tmp_path: Path, kind: str) -> None:
    given_ = rows(("x", 1.5), ("y", 2.5), ("x", 1.5), ("x", 1.5), ("", 15.0))
    if kind == "parquet":
        given_["a"] = given_["a"].replace("", None)  # a CSV has an empty cell for a missing one
    found = delivered(tmp_path, contract_of(tmp_path, A, B, made="content"), given_, kind)

    def digest(*texts: str | None) -> str:  # by hand: each value behind its length
        parts = [f"{'-' if t is None else len(t)}:{t or ''}" for t in texts]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:20]

    x, y = digest("x", "1.5", "0"), digest("y", "2.5", "0")
    empty = digest(None, "15.0", "0")
    assert sorted(found["content_id"]) == sorted([x, f"{x}-2", f"{x}-3", y, empty])
    assert set(found.loc[found["a"] == "x", "content_id"]) == {x, f"{x}-2", f"{x}-3"}


TEXT = st.text(st.sampled_from("ab|\\ ,é"), max_size=4)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
def test_two_columns_make_one_key_that_tells_all_pairs_apart(
    tmp_path: Path, pairs: list[tuple[str, str]]
) -> None:
    parts = [prop(n, "string", "id", required=True) for n in ("a", "b")]
    contract = contract_of(tmp_path, *parts, prop("x", "integer"))
    frame = pd.DataFrame(pairs, columns=["a", "b"]).assign(x=1, bad=0)
    found = delivered(tmp_path, contract, frame, "parquet")
    keys = dict(zip(zip(found["a"], found["b"], strict=True), found["key"], strict=True))
    assert len(set(keys.values())) == len(set(pairs))


def test_a_repeated_key_goes_to_the_quarantine_and_a_repeated_part_does_not(tmp_path: Path) -> None:
    by_key = [
        prop("a", "string", "ignored", primaryKey=True, primaryKeyPosition=2),
        prop("b", "integer", primaryKey=True, primaryKeyPosition=1),
    ]
    contract = read_contract(contract_of(tmp_path, *by_key))
    assert contract.id.made_from == ("b", "a")
    assert [c.name for c in contract.features] == ["b"]
    frame = pd.DataFrame({"a": ["x", "x", "y", "x"], "b": [1, 2, 1, 1], "bad": 0})
    frame.to_parquet(tmp_path / "rows.parquet")
    table = DeliveredTable(
        contract=contract.path
        if Path(contract.path).exists()
        else str(tmp_path / "small.odcs.yaml"),
        filepath=str(tmp_path / "rows.parquet"),
        file_format="parquet",
        connection={"backend": "duckdb", "database": ":memory:"},
    ).load()
    good, broken = split_rows(contract, table)
    assert sorted(good.execute()["key"]) == ["1|y", "2|x"]
    assert Counter(broken.execute()["reason"]) == {"key is not unique": 2}


def test_a_made_id_gives_way_and_survives_the_package(tmp_path: Path) -> None:
    taken = prop("row_number", "integer")
    contract = read_contract(contract_of(tmp_path, taken, made="row"))
    assert contract.id.name == "fin_kedro__row_number"
    again = Contract.from_dict(contract.to_dict())
    assert again.digest == contract.digest and again.id == contract.id


@pytest.mark.parametrize(
    ("columns", "made", "said"),
    [
        ([A], "rows", "id of the table is 'rows'; allowed are row, content. Did you mean 'row'"),
        ([prop("n", "string", "id")], "row", "is to be made, and n is the id"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, columns: list[Any], made: str, said: str
) -> None:
    path = contract_of(tmp_path, *columns, made=made)
    with pytest.raises(ContractError, match=said) as caught:
        read_contract(path)
    assert f":{line_of(path, f'value: {made}')}: " in str(caught.value)
