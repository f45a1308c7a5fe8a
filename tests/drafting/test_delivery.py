"""A file held against its contract: what is told is what was planted, row by row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.drafting.delivery import check_delivery

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: loans
version: 1.0.0
status: active
schema:
  - name: loans
    quality:
      - {type: custom, engine: fin_kedro, implementation: "paid <= asked"}
    properties:
      - {name: nr, logicalType: integer, required: true,
         customProperties: [{property: role, value: id}]}
      - {name: asked, logicalType: number, required: true, logicalTypeOptions: {minimum: 0},
         customProperties: [{property: role, value: feature}]}
      - {name: paid, logicalType: number,
         customProperties: [{property: role, value: feature}]}
      - {name: card, logicalType: string, unique: true}
      - {name: purpose, logicalType: string, required: true,
         enum: [{value: car}, {value: home}],
         customProperties: [{property: role, value: feature},
                            {property: missingCodes, value: ["?"]}]}
      - {name: bad, logicalType: integer, required: true, enum: [{value: 0}, {value: 1}],
         customProperties: [{property: role, value: target}]}
"""


@pytest.fixture
def contract(tmp_path: Path) -> str:
    (tmp_path / "loans.odcs.yaml").write_text(CONTRACT)
    return str(tmp_path / "loans.odcs.yaml")


def rows(count: int = 20) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "nr": range(1, count + 1),
            "asked": 100.5,
            "paid": 50.0,
            "card": [f"C{n}" for n in range(count)],
            "purpose": ["car", "home"] * (count // 2),
            "bad": [0, 1] * (count // 2),
        }
    )


def delivered(table: pd.DataFrame, contract: str) -> DeliveredTable:
    path = Path(contract).with_name("loans.csv")
    table.to_csv(path, index=False)
    return DeliveredTable(
        contract=contract, filepath=str(path), file_format="csv",
        connection={"backend": "duckdb", "database": ":memory:"},
    )  # fmt: skip


def test_a_good_file_is_refused_nothing(contract: str) -> None:
    found = check_delivery(delivered(rows(), contract), contract)
    assert (found.rows, found.refused, found.rules, found.whole) == (20, 0, (), None)


def test_each_rule_is_told_with_its_rows_an_example_and_its_line(contract: str) -> None:
    table = rows().astype({"purpose": object})
    table.loc[[0, 1, 2], "purpose"] = "boat"
    table.loc[2, "asked"] = -1.0  # breaks a second rule, and the comparison
    table.loc[4, "purpose"] = None
    table.loc[5, "purpose"] = "?"  # means missing, which a required column may hold as its code
    table.loc[[6, 7], "card"] = "same"
    table.loc[8, "nr"] = 10
    found = check_delivery(delivered(table, contract), contract)
    assert found.refused == len({0, 1, 2, 4, 6, 7, 8, 9})
    assert found.share == pytest.approx(8 / 20)
    told = {(r.column, r.rule.split(":")[0]): (r.rows, r.example) for r in found.rules}
    assert told == {
        ("purpose", "allowed"): (3, "boat"),
        ("asked", "allowed"): (1, "-1.0"),
        ("paid", "paid <= asked"): (1, "50.0"),
        ("purpose", "required"): (1, ""),
        ("card", "unique"): (2, "same"),
        ("nr", "unique"): (2, "10"),
    }
    lines = Path(contract).read_text().splitlines()
    for refusal in found.rules:
        line = int(refusal.where.rpartition(":")[2])
        assert f"name: {refusal.column}," in lines[line - 1]


def test_a_file_that_cannot_be_read_is_refused_as_a_whole(contract: str) -> None:
    table = rows().astype({"asked": object})
    table.loc[3, "asked"] = "1.234,5"
    found = check_delivery(delivered(table, contract), contract)
    assert "line 5" in str(found.whole) and "decimal_separator" in str(found.whole)
    found = check_delivery(delivered(rows().drop(columns="card"), contract), contract)
    assert "column card is missing" in str(found.whole)
