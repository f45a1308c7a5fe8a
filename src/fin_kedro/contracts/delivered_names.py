"""Names of a delivered file's columns, as the file writes them, and the contract's beside them."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from fin_kedro.contracts.model import Contract


def names_in_file(path: Path, kind: str, load_args: Mapping[str, Any]) -> list[str]:
    """The columns' names to the letter, in the file's order; empty where they cannot be told.

    Args:
        path: a file; a folder of files has no names of its own here.
        kind: ``csv`` (with a header) or ``parquet``.
        load_args: DuckDB's ``delim`` and ``encoding``.
    """
    if not path.is_file():
        return []
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return list(pq.read_schema(path).names)
        except pa.ArrowException:  # the engine says what is wrong with the file
            return []
    encoding = str(load_args.get("encoding", "utf-8-sig"))
    try:
        codecs.lookup(encoding)
    except LookupError:  # one that only the engine knows by this name
        return []
    with path.open(newline="", encoding=encoding, errors="replace") as file:
        return next(csv.reader(file, delimiter=str(load_args.get("delim", ","))[:1]), [])


def with_names_of(contract: Contract, table: ir.Table, in_file: Sequence[str]) -> ir.Table:
    """Give the columns of a table, in the file's order, the names that the contract gives them.

    Engines compare names without regard to case and rename the second of two that then are alike;
    the file's own names tell them apart. A column that the contract does not know keeps the
    engine's name, or goes where a column of the contract is called so.
    """
    found = table.columns
    if len(found) != len(in_file):
        return table
    ours = {column.delivered_as: name for name, column in contract.columns.items()}
    named = {place: ours[written] for place, written in enumerate(in_file) if written in ours}
    taken = {name.casefold() for name in named.values()}
    for place, name in enumerate(found):
        if place not in named and name.casefold() not in taken:
            named[place] = name
    if list(found) == [named.get(place) for place in range(len(found))]:
        return table
    return table.select(*(table[found[place]].name(named[place]) for place in sorted(named)))
