"""A delivered CSV is read by its contract: names, types and the notation that conf states."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from fin_kedro.contracts.cells import FALSE, TRUE, CellError, Notation, read_cells
from fin_kedro.contracts.column import Column
from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.tables import ContractValidator

TYPES = {
    "id": "string", "n": "integer", "v": "number", "b": "boolean", "d": "date",
    "at": "timestamp", "t": "string", "outcome": "integer",
}  # fmt: skip


def write_contract(folder: Path, types: dict[str, str] = TYPES) -> Path:
    roles = {"id": "id", "outcome": "target", "d": "ignored", "at": "ignored"}
    columns = [
        {
            "name": name, "logicalType": kind, "required": name in ("id", "outcome"),
            "customProperties": [{"property": "role", "value": roles.get(name, "feature")}],
        }
        for name, kind in types.items()
    ]  # fmt: skip
    table = {
        "name": "rows", "properties": columns,
        "customProperties": [{"property": "event", "value": 1}],
    }  # fmt: skip
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "rows", "name": "rows",
            "version": "1.0.0", "status": "active", "schema": [table]}  # fmt: skip
    path = folder / "rows.odcs.yaml"
    path.write_text(yaml.safe_dump(head, sort_keys=False))
    return path


def delivered(folder: Path, text: str | bytes, *, name: str = "rows.csv", **options: Any) -> Any:
    """The rows of a file as pandas has them, and its Ibis types."""
    types = options.pop("types", TYPES)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    table = DeliveredTable(
        contract=str(write_contract(folder, types)), filepath=str(path), file_format="csv",
        connection={"backend": "duckdb"}, load_args=options,
    ).load()  # fmt: skip
    return table.execute(), {n: str(t) for n, t in table.schema().items()}


HEAD = "id,n,v,b,d,at,t,outcome\n"


def test_every_type_is_the_contracts(tmp_path: Path) -> None:
    rows, types = delivered(
        tmp_path,
        HEAD + "007,3,1.5,Y,2026-11-30,2026-11-30T10:00:00Z,12:30,0\n8,4.0,1e3,0,,,0815,1\n",
    )
    assert types == {
        "id": "string", "n": "int64", "v": "float64", "b": "boolean", "d": "date",
        "at": "timestamp", "t": "string", "outcome": "int64",
    }  # fmt: skip
    assert rows["id"].tolist() == ["007", "8"]
    assert rows["t"].tolist() == ["12:30", "0815"]
    assert rows["n"].tolist() == [3, 4] and rows["v"].tolist() == [1.5, 1000.0]
    assert rows["b"].tolist() == [True, False]
    assert rows["d"][0].date() == dt.date(2026, 11, 30)
    assert rows["at"][0].isoformat() == "2026-11-30T10:00:00"


LONG = ["18446744073709551615", "00042", "7"]


def test_an_integer_id_keeps_every_digit_and_passes_the_contract(tmp_path: Path) -> None:
    types = {"id": "integer", "v": "number", "outcome": "integer"}
    text = "id,v,outcome\n" + "".join(f"{i},1.5,{k % 2}\n" for k, i in enumerate(LONG))
    rows, found = delivered(tmp_path, text, types=types)
    assert found["id"] == "string" and rows["id"].tolist() == LONG
    contract = str(tmp_path / "rows.odcs.yaml")
    entry = DeliveredTable(
        contract=contract, filepath=str(tmp_path / "rows.csv"), file_format="csv",
        connection={"backend": "duckdb"},
    )  # fmt: skip
    ContractValidator(contract=contract).validate(entry.load())
    rows, found = delivered(tmp_path, "id,v,outcome\n12,1,0\n-3,2,1\n", types=types)
    assert found["id"] == "int64" and rows["id"].tolist() == [12, -3]


def test_a_folder_called_name_is_value_is_no_column(tmp_path: Path) -> None:
    types = {"id": "string", "month": "integer", "outcome": "integer"}
    text = "id,month,outcome\na,1,0\nb,2,1\n"
    rows, found = delivered(tmp_path, text, types=types, name="month=5/year=2026/rows.csv")
    assert rows["month"].tolist() == [1, 2] and list(found) == ["id", "month", "outcome"]


def test_notations_that_conf_states(tmp_path: Path) -> None:
    text = HEAD.replace(",", ";") + "a;1.234;-1.234,5;f;30.11.2026;30.11.2026 10:15;x;0\n"
    rows, _ = delivered(
        tmp_path, text, delim=";", decimal_separator=",", thousands=".",
        dateformat="%d.%m.%Y", timestampformat="%d.%m.%Y %H:%M",
    )  # fmt: skip
    assert (rows["n"][0], rows["v"][0]) == (1234, -1234.5)
    assert rows["d"][0].date() == dt.date(2026, 11, 30)
    assert rows["at"][0] == dt.datetime(2026, 11, 30, 10, 15)


def test_a_byte_order_mark_and_another_encoding(tmp_path: Path) -> None:
    types = {"id": "string", "t": "string", "outcome": "integer"}
    rows, found = delivered(tmp_path, "\ufeffid,t,outcome\na,café,0\n", types=types)
    assert list(found) == ["id", "t", "outcome"] and rows["t"].tolist() == ["café"]
    latin = "id,t,outcome\na,café,0\n".encode("latin-1")
    rows, _ = delivered(tmp_path, latin, types=types, encoding="latin-1")
    assert rows["t"].tolist() == ["café"]
    with pytest.raises(DatasetError, match=r"not in UTF-8. Next: .*load_args: \{encoding"):
        delivered(tmp_path, latin, types=types)


def test_a_word_for_missing(tmp_path: Path) -> None:
    text = HEAD + "a,NA,NA,,,,NA,0\n"
    rows, _ = delivered(tmp_path, text, nullstr=["", "NA"])
    assert rows[["n", "v", "t"]].isna().all(axis=None)
    with pytest.raises(DatasetError, match=r"nullstr: \['', 'NA'\]"):
        delivered(tmp_path, text)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("n", "1.5", "state it as a number"),
        ("n", "x", "if it means missing"),
        ("n", "9223372036854775808", "allowed: integer"),
        ("v", '"1,5"', "decimal_separator: ','"),
        ("v", '"1.234,5"', "decimal_separator: ',', thousands: '.'"),
        ("v", '"1,234,567.5"', "thousands: ','"),
        ("v", "12 %", "without the percent sign"),
        ("v", "nan", "allowed: number"),
        ("v", "0x1F", "allowed: number"),
        ("b", "maybe", "a boolean is one of true"),
        ("d", "03/04/2026", "dateformat: '%d.%m.%Y'"),
        ("d", "2026-13-01", "only ISO 8601"),
        ("at", "30.11.2026 10:00", "timestampformat"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_its_line_and_the_way_out(
    tmp_path: Path, column: str, cell: str, words: str
) -> None:
    good = {"id": "a", "n": "1", "v": "1", "b": "1", "d": "2026-01-02", "at": "", "t": "x",
            "outcome": "0"}  # fmt: skip
    lines = [",".join(good.values()), ",".join({**good, column: cell}.values())]
    with pytest.raises(DatasetError) as refused:
        delivered(tmp_path, HEAD + "\n".join(lines) + "\n")
    said = str(refused.value)
    assert "rows.csv, line 3: " in said and f"column {column}: 1 cell is not readable" in said
    assert words in said and cell.strip('"') in said and "rows.odcs.yaml:" in said


def test_a_thousands_mark_parts_thousands_only(tmp_path: Path) -> None:
    """1.5 is not fifteen because a point parts thousands."""
    with pytest.raises(DatasetError, match=r"column v: 1 cell is not readable, e.g. '1.5'"):
        delivered(tmp_path, HEAD + "a,1,1.5,1,,,x,0\n", decimal_separator=",", thousands=".")


def test_types_are_not_guessed_beside_the_contract(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(HEAD)
    entry = DeliveredTable(
        contract=str(write_contract(tmp_path)), filepath=str(tmp_path / "rows.csv"),
        file_format="csv", connection={"backend": "duckdb"}, load_args={"types": {"n": "VARCHAR"}},
    )  # fmt: skip
    with pytest.raises(DatasetError, match="load_args has types; types come from the contract"):
        entry.load()


def by_hand(kind: str, cell: str) -> Any:
    """What a cell is, in plain Python; None where it is none of the kind."""
    text = cell.strip(" ")
    try:
        if kind == "integer":
            whole, _, rest = text.partition(".")
            number = int(whole) if not rest.strip("0") and whole.lstrip("+-").isdigit() else None
            if "." in text and not rest:
                return None
            return number if number is None or -(2**63) <= number < 2**63 else None
        if kind == "number":
            return float(text) if set(text.lower()) <= set("0123456789.e+-") else None
        if kind == "boolean":
            return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}.get(text.lower())
        return dt.date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


CELL = st.one_of(
    st.integers(-(10**19), 10**19).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)).map(str),
    st.sampled_from(
        ["Y", "no", "TRUE", "f", "1", "0", "NA", "1.0", "5.", ".5", "+3", "--1", "1_0"]
    ),
    st.text("0123456789.,-+e/: aZ", max_size=6),
)


@given(
    st.lists(CELL, min_size=1, max_size=4),
    st.sampled_from(["integer", "number", "boolean", "date"]),
)
def test_a_random_cell_is_what_plain_python_says_or_is_refused(cells: list[str], kind: str) -> None:
    import ibis

    contract = Contract(
        name="rows", version="1", columns={"v": Column(name="v", type=kind, role="feature")}
    )
    table = ibis.memtable({"v": cells}, schema={"v": "string"})
    given_cells = [cell for cell in cells if cell.strip(" ")]
    expected = [by_hand(kind, cell) for cell in given_cells]
    try:
        found = read_cells(contract, table, Notation()).execute()["v"].dropna().tolist()
    except CellError as error:
        [(column, lost, example)] = error.found
        assert column.name == "v" and lost == expected.count(None) and example in cells
        return
    assert None not in expected
    found = [v.date() if kind == "date" else v for v in found]
    assert found == expected
