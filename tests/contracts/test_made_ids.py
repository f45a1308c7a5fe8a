"""Ids that no column of a file holds: the row's number, its content, several columns together."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import Contract, ContractError
from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_structure, split_rows
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


DAY, NOON = dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 12, 0, 5)
STORED = {
    "n": pa.array([5, -7], pa.int64()),
    "x": pa.array([1.5, 2.0]),
    "t": pa.array(["a", None]),
    "day": pa.array([DAY, DAY]),
    "at": pa.array([NOON, NOON], pa.timestamp("us")),
    "bad": pa.array([0, 1], pa.int64()),
}
OTHERWISE = {
    "as it is": {},
    "integers in doubles": {"n": pa.array([5.0, -7.0])},
    "small integers": {"n": pa.array([5, -7], pa.int8())},
    "decimals": {"x": pa.array(["1.50", "2.00"]).cast(pa.decimal128(6, 2))},
    "single": {"x": pa.array([1.5, 2.0], pa.float32())},
    "an empty text": {"t": pa.array(["a", ""])},
    "days as times": {"day": pa.array([DAY, DAY]).cast(pa.timestamp("us"))},
    "a zone": {"at": pa.array([NOON, NOON], pa.timestamp("us", "UTC"))},
}
CELLS = """n,x,t,day,at,bad
5,1.5,a,2026-01-02,2026-01-02T12:00:05,0
-7,2,,2026-01-02,2026-01-02T12:00:05,1
"""


def _loaded(contract: Path, path: Path) -> Any:
    return DeliveredTable(
        contract=str(contract),
        filepath=str(path),
        file_format=path.suffix[1:],
        connection={"backend": "duckdb", "database": ":memory:"},
    ).load()


@pytest.mark.parametrize("made", ["content", None])
def test_an_id_does_not_depend_on_how_a_file_keeps_values(tmp_path: Path, made: str | None) -> None:
    role = "ignored" if made else "id"
    kinds = {"n": "integer", "x": "number", "day": "date", "at": "timestamp"}
    columns = [prop(n, k, role, required=True) for n, k in kinds.items()]
    contract = contract_of(tmp_path, *columns, prop("t", "string", required=False), made=made)
    (tmp_path / "rows.csv").write_text(CELLS)
    name = read_contract(contract).id.name
    told = sorted(_loaded(contract, tmp_path / "rows.csv").execute()[name])
    if not made:
        rest = "2026-01-02|2026-01-02 12:00:05"
        assert told == [f"-7|2.0|{rest}", f"5|1.5|{rest}"]
    for case, kept in OTHERWISE.items():
        path = tmp_path / f"rows{next(NUMBER)}.parquet"
        pq.write_table(pa.table({**STORED, **kept}), path)
        assert sorted(_loaded(contract, path).execute()[name]) == told, case


def test_what_is_no_integer_is_not_taken_for_its_neighbour(tmp_path: Path) -> None:
    parts = [prop(n, k, "id", required=True) for n, k in (("n", "integer"), ("t", "string"))]
    contract = contract_of(tmp_path, *parts, prop("x", "number"))
    frame = pd.DataFrame({"n": [1.5, 2.0, 1.0, None], "t": "a", "x": 0.5, "bad": [0, 1, 0, 1]})
    frame.to_parquet(tmp_path / "rows.parquet")
    good, broken = split_rows(read_contract(contract), _loaded(contract, tmp_path / "rows.parquet"))
    assert sorted(good.execute()["key"]) == ["1|a", "2|a"]
    assert broken.count().execute() == 2


@pytest.mark.parametrize("there", [["z"], ["n"]])
def test_a_missing_part_of_a_key_is_told_by_its_name(tmp_path: Path, there: list[str]) -> None:
    parts = [prop(n, "string", "id", required=True) for n in ("n", "m")]
    contract = contract_of(tmp_path, *parts, prop("x", "number"))
    frame = pd.DataFrame({name: ["a", "b"] for name in there}).assign(x=0.5, bad=[0, 1])
    frame.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match=r"column m is missing \(stated at"):
        check_structure(read_contract(contract), _loaded(contract, tmp_path / "rows.parquet"))


def test_a_number_that_no_integer_holds_is_set_aside_and_stops_nothing(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, prop("a", "integer"), made="content")
    frame = pd.DataFrame({"a": [1.0, 1e300, 2.5], "bad": 0})
    found = delivered(tmp_path, contract, frame, "parquet")
    assert found["content_id"].nunique() == 3
