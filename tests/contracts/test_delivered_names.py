"""A file's own names decide which column is which, whatever its engine makes of them."""

import csv
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fin_kedro.contracts.delivered_names import names_in_file
from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.reading import read_contract
from tests.contracts.samples import document, prop, write

NUMBER = itertools.count()
DUCKDB = {"backend": "duckdb", "database": ":memory:"}


def _csv(path: Path, names: list[str], rows: list[list[int]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def _parquet(path: Path, names: list[str], rows: list[list[int]]) -> None:
    columns = [pa.array(column, "int64") for column in zip(*rows, strict=True)]
    pq.write_table(pa.Table.from_arrays(columns, names=names), path)


WRITERS: dict[str, Callable[[Path, list[str], list[list[int]]], None]] = {
    "csv": _csv,
    "parquet": _parquet,
}


def delivered(folder: Path, kind: str, names: list[str], *columns: Any) -> Any:
    """A file whose k-th column holds k, k + 10; read under a contract of these columns."""
    rows = [[*range(len(names))], [place + 10 for place in range(len(names))]]
    path = folder / f"rows{next(NUMBER)}.{kind}"  # the engine may keep of a file what it once read
    WRITERS[kind](path, names, rows)
    contract = write(folder, document(*columns))
    return DeliveredTable(
        contract=str(contract),
        filepath=str(path),
        file_format=kind,
        connection=DUCKDB,
    ).load()


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_that_differ_in_case_only_are_told_apart(tmp_path: Path, kind: str) -> None:
    found = delivered(
        tmp_path, kind, ["Reason", "REASON", "reason_1"],
        prop("shout", "integer", physicalName="REASON"), prop("reason", "integer",
        physicalName="Reason"), prop("reason_1", "integer"),
    ).execute()  # fmt: skip
    read = {name: found[name].tolist() for name in found.columns}
    assert read == {"reason": [0, 10], "shout": [1, 11], "reason_1": [2, 12]}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_column_that_the_contract_does_not_know_takes_no_name_of_it(
    tmp_path: Path, kind: str
) -> None:
    found = delivered(tmp_path, kind, ["A", "b", "a"], prop("a", "integer"), prop("c", "integer"))
    assert found.columns == ("b", "a")  # c is missing, which the check of the structure says
    assert found.execute()["a"].tolist() == [2, 12]


NAMES = st.lists(
    st.sampled_from(["a", "A", "b", "B", "a_1", "A_1", "x y", "é", "É"]),
    min_size=1, max_size=6, unique=True,
)  # fmt: skip


@given(names=NAMES, kind=st.sampled_from(sorted(WRITERS)), data=st.data())
@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_any_names_in_any_order(tmp_path: Path, names: list[str], kind: str, data: Any) -> None:
    wanted = data.draw(st.permutations(names))
    columns = [prop(f"c{place}", "integer", physicalName=name) for place, name in enumerate(wanted)]
    found = delivered(tmp_path, kind, names, *columns).execute()
    for place, name in enumerate(wanted):
        assert found[f"c{place}"].tolist() == [names.index(name), names.index(name) + 10]


def test_names_that_differ_in_case_only_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, document(prop("Reason", "string"), prop("REASON", "string")))
    with pytest.raises(ContractError, match="column REASON: Reason and REASON differ in case"):
        read_contract(path)


def test_one_column_of_a_file_is_read_once(tmp_path: Path) -> None:
    twins = [prop("a", "integer"), prop("b", "integer", physicalName="a")]
    for pair in itertools.permutations(twins):
        with pytest.raises(ContractError, match="column a is read by two columns"):
            read_contract(write(tmp_path, document(*pair)))


def test_a_missing_column_is_called_as_the_file_should_call_it(tmp_path: Path) -> None:
    from fin_kedro.contracts.tables import check_structure

    table = delivered(tmp_path, "csv", ["x"], prop("a", "integer", physicalName="AGE"))
    with pytest.raises(ContractError, match="column a, called AGE in the file, is missing"):
        check_structure(read_contract(tmp_path / "small.odcs.yaml"), table)


def test_what_cannot_be_read_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no more")
    assert names_in_file(tmp_path / "x.parquet", "parquet", {}) == []
    assert names_in_file(tmp_path, "parquet", {}) == []
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert names_in_file(tmp_path / "x.csv", "csv", {"encoding": "only_the_engine_knows"}) == []
    assert names_in_file(tmp_path / "x.csv", "csv", {}) == ["a", "b"]
