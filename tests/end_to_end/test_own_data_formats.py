"""The same rows as CSV and as Parquet become the same model table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DatasetError

from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import ContractValidator
from fin_kedro.features.model_table import build_model_table, quarantine_broken_rows
from fin_kedro.storage.datasets import TableDataset
from tests.end_to_end.loan_requests import EXAMPLE, make_requests

CONTRACT = EXAMPLE / "loan_requests.odcs.yaml"
SPLIT = {
    "salt": "credit",
    "shares": {"train": 0.6, "calibration": 0.2, "test": 0.2},
    "out_of_time_from": "2026-05-01",
}


def dataset(path: Path, **load_args: Any) -> TableDataset:
    kind = path.suffix.removeprefix(".")
    return TableDataset(
        filepath=str(path), file_format=kind, connection={"backend": "duckdb"}, load_args=load_args
    )


def model_table(path: Path) -> pd.DataFrame:
    contract = read_contract(CONTRACT)
    rows = ContractValidator(contract=str(CONTRACT)).validate(dataset(path).load())
    accepted, _, report = quarantine_broken_rows(rows, contract, {"largest_share": 0.05})
    assert report["quarantined"] == 4
    return build_model_table(accepted, contract, {"definitions": None}, SPLIT)[0].execute()


def test_csv_and_parquet_give_one_model_table(tmp_path: Path) -> None:
    table = make_requests(rows=800)
    table.to_csv(tmp_path / "rows.csv", index=False, date_format="%Y-%m-%d")
    table.assign(requested_on=table["requested_on"].dt.date).to_parquet(tmp_path / "rows.parquet")
    first, second = model_table(tmp_path / "rows.csv"), model_table(tmp_path / "rows.parquet")
    assert set(first["part"]) == {"train", "calibration", "test", "out_of_time"}
    pd.testing.assert_frame_equal(first, second)


def test_a_broken_csv_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n3,4,5\n6,7\n")
    with pytest.raises(DatasetError, match="line 3 has 3 fields, the header 2"):
        dataset(path).load()


def test_text_far_down_a_number_column_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 30_000 + "x,2\n")
    assert dataset(path).load().schema()["a"].is_string()


def test_another_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a;b\n1,5;2\n")
    assert dataset(path, delim=";", decimal_separator=",").load().execute()["a"].tolist() == [1.5]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no file at .*rows.csv"):
        dataset(tmp_path / "rows.csv").load()
