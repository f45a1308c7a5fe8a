"""A delivered table, read by the names and types of its contract and by nothing that is guessed."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from fin_kedro.contracts.cells import CellError, Notation, read_cells
from fin_kedro.contracts.column import Column
from fin_kedro.contracts.delivered_names import names_in_file, with_names_of
from fin_kedro.contracts.made_ids import with_made_id
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.reading import read_contract
from fin_kedro.storage.datasets import DeliveryError, TableDataset

# What an engine would guess by; read here by the contract, or stated in `load_args`.
_OURS = ("decimal_separator", "thousands", "dateformat", "timestampformat")
_GUESSED = ("types", "columns", "dtypes", "auto_detect", "auto_type_candidates", "all_varchar")


class DeliveredTable(TableDataset):
    """A raw table under a contract.

    CSV is read as text and turned into the contract's types: an id keeps its digits and leading
    zeros, a text stays a text whatever it looks like, a date is ISO 8601 or of the format that
    ``load_args`` states. A cell that cannot be read is refused with the line of conf that mends it.

    Args:
        contract: path of the contract.
        load_args: DuckDB's names (``delim``, ``encoding``, ``nullstr``, ``decimal_separator``,
            ``thousands``, ``dateformat``, ``timestampformat``, ...).
        others: as `TableDataset` takes them.
    """

    def __init__(self, *, contract: str, **others: Any) -> None:
        super().__init__(**others)
        self._contract_path = contract

    def _read(self, path: Path) -> ir.Table:
        contract = read_contract(self._contract_path)
        in_file = names_in_file(path, self._file_format, self._load_args)
        if (self._file_format, self._connection_config["backend"]) != ("csv", "duckdb"):
            return with_made_id(contract, with_names_of(contract, super()._read(path), in_file))
        asked = {k: v for k, v in self._load_args.items() if k not in _OURS}
        if guessed := [name for name in _GUESSED if name in asked]:
            raise DeliveryError(
                f"load_args has {guessed[0]}; types come from the contract {self._contract_path}. "
                "Take it away."
            )
        texts = self.connection.read_csv(path, **{**asked, "all_varchar": True})
        texts = with_names_of(contract, texts, in_file)
        try:
            cells = read_cells(contract, texts, Notation.of(self._load_args))
        except CellError as error:
            raise DeliveryError(self._placed(path, contract, error)) from None
        return with_made_id(contract, cells)

    def _placed(self, path: Path, contract: Contract, error: CellError) -> str:
        """The error, with the line of the file that has the first example."""
        column, _, example = error.found[0]
        line = _line_of(path, column, example, self._load_args)
        where = f", line {line}" if line else ""
        return f"{path}{where}: {error} (stated at {contract.where(column.name)})"


def _line_of(path: Path, column: Column, cell: str, load_args: dict[str, Any]) -> int:
    """The first line with this cell; 0 where Python's reader does not find it."""
    encoding = str(load_args.get("encoding", "utf-8-sig"))
    try:
        codecs.lookup(encoding)
    except LookupError:  # one that only the engine knows by this name
        return 0
    with path.open(newline="", encoding=encoding, errors="replace") as file:
        reader = csv.reader(file, delimiter=str(load_args.get("delim", ","))[:1])
        header = next(reader, [])
        if column.delivered_as not in header:
            return 0
        place = header.index(column.delivered_as)
        for row in reader:
            if len(row) > place and row[place] == cell:
                return reader.line_num
    return 0
