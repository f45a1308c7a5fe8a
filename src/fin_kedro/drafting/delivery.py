"""What a contract would refuse of a delivered file: which rows, by which rule, in which line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from kedro.io import DatasetError

from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_structure, rules_of, split_rows


@dataclass(frozen=True)
class Refusal:
    """A rule that rows break: how many of them, one of their values, and where the rule stands.

    ``example`` is empty where a value is missing.
    """

    column: str
    rule: str
    rows: int
    example: str
    where: str


@dataclass(frozen=True)
class Checked:
    """A file held against its contract.

    ``whole`` is why it would be refused as a whole, or None; a row may break several rules.
    """

    rows: int = 0
    refused: int = 0
    rules: tuple[Refusal, ...] = ()
    whole: str | None = None

    @property
    def share(self) -> float:
        """Share of the rows that would be set aside."""
        return self.refused / max(self.rows, 1)


def check_delivery(dataset: DeliveredTable, contract_path: str) -> Checked:
    """Hold a file against its contract as a run would, and count what is refused by each rule.

    Args:
        dataset: the file, as the catalog reads it.
        contract_path: path of the contract.

    Raises:
        ContractError: the contract itself cannot be read.
    """
    contract = read_contract(contract_path)
    try:
        table = load_once(dataset)
        check_structure(contract, table)
    except (DatasetError, ContractError) as error:
        return Checked(whole=str(error))
    return check_rows_of(contract, table)


def load_once(dataset: DeliveredTable) -> ir.Table:
    """The delivered table; of CSV the cells are read once, not again by each question about it."""
    table = dataset.load()
    return table.cache() if dataset._file_format == "csv" else table


def check_rows_of(contract: Contract, table: ir.Table) -> Checked:
    """Count the rows that break a contract whose structure the table has."""
    rows = int(table.count().execute())
    bad = split_rows(contract, table)[1].cache()
    refused = int(bad.count().execute())
    return Checked(rows, refused, tuple(_rules(contract, bad)) if refused else ())


def _rules(contract: Contract, bad: ir.Table) -> list[Refusal]:
    """Rules that the refused rows break, most rows first; all counted in one pass.

    Rows that repeat a value are all among the refused ones, so they are found here, too.
    """
    rules = rules_of(contract, bad)
    marked = bad.select(
        **{f"b{i}": rule.broken.fill_null(False) for i, rule in enumerate(rules)},
        **{f"v{i}": bad[rule.column].cast("string") for i, rule in enumerate(rules)},
    )
    nothing = ibis.null("string")
    counts = {f"n{i}": marked[f"b{i}"].sum() for i in range(len(rules))}
    examples = {
        f"e{i}": marked[f"b{i}"].ifelse(marked[f"v{i}"], nothing).min() for i in range(len(rules))
    }
    found = marked.aggregate(**counts, **examples).execute().iloc[0]
    refusals = [
        Refusal(
            r.column, r.told, int(found[f"n{i}"]), _text(found[f"e{i}"]), contract.where(r.column)
        )
        for i, r in enumerate(rules)
        if found[f"n{i}"]
    ]
    return sorted(refusals, key=lambda refusal: -refusal.rows)


def _text(example: Any) -> str:
    return "" if pd.isna(example) else str(example)
