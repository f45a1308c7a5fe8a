"""A sample as a file: in the notation that the workflow's own file has, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io.core import generate_timestamp
from pyarrow import parquet

from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.drafting.delivery import Checked, check_delivery
from fin_kedro.drafting.entries import Declared
from fin_kedro.sampling.tables import as_table

KINDS = (".csv", ".parquet")
ENGINE = {"backend": "duckdb", "database": ":memory:", "memory_limit": "1GB"}


def has_data(table: Declared) -> bool:
    """Whether a workflow's raw file is there; a version of it, where it has versions."""
    return Path(table.entry["filepath"]).exists()


def raw_place(table: Declared) -> Path:
    """Where a run reads the file: of a table with versions a new one."""
    path = Path(table.entry["filepath"])
    return path / generate_timestamp() / path.name if table.entry.get("versioned") else path


def refuse_place(path: Path) -> None:
    """Refuse a file that is there, and one of no kind that can be written.

    Raises:
        ContractError: says what to name instead.
    """
    if path.suffix not in KINDS:
        raise ContractError(
            f"--out is {path}; its name must end in {' or '.join(KINDS)}, which says what is "
            "written."
        )
    if path.exists():
        raise ContractError(
            f"{path} is there already, and nothing is overwritten; name another file with --out."
        )


def write_rows(table: Declared, contract: Contract, frame: pd.DataFrame, path: Path) -> Checked:
    """Write rows, and hold the written file against its contract.

    Raises:
        ContractError: the written file would be refused; then no file is left.
    """
    kind = path.suffix[1:]
    own = table.entry.get("file_format") == kind
    args: Mapping[str, Any] = (table.entry.get("load_args") or {}) if own else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".sample-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        _write(contract, frame, Path(name), args)
        checked = check_delivery(
            DeliveredTable(
                contract=table.entry["contract"], filepath=name, file_format=kind,
                load_args=dict(args), connection=dict(ENGINE),
            ),
            table.entry["contract"],
        )  # fmt: skip
        if checked.whole or checked.refused:
            told = [f"{rule.column}: {rule.rule} ({rule.where})" for rule in checked.rules]
            raise ContractError(f"the sample would be refused: {checked.whole or told[0]}")
        os.chmod(name, 0o644)
        os.link(name, path)  # fails where the file has come to be in the meantime
    finally:
        os.unlink(name)
    return checked


def _write(contract: Contract, frame: pd.DataFrame, path: Path, args: Mapping[str, Any]) -> None:
    """Write what a file holds: an id that is made when it is read has no place there."""
    columns = [c for c in contract.columns.values() if not c.made]
    if path.suffix == ".parquet":
        held = as_table(contract, frame).select(*(c.name for c in columns))
        parquet.write_table(held.to_pyarrow(), path)
        return
    texts = frame[[c.name for c in columns]].copy()
    for column in columns:
        if column.type in ("date", "timestamp"):
            texts[column.name] = _times(texts[column.name], column.type, args)
        elif column.type == "boolean":
            texts[column.name] = texts[column.name].map({True: "true", False: "false"})
    nothing = args.get("nullstr", "")
    words = [nothing] if isinstance(nothing, str) else list(nothing)
    texts.to_csv(
        path, index=False, lineterminator="\n", sep=args.get("delim", args.get("sep", ",")),
        decimal=args.get("decimal_separator", "."), encoding=args.get("encoding", "utf-8"),
        na_rep="" if "" in words or not words else words[0],
    )  # fmt: skip


def _times(values: pd.Series, type_: str, args: Mapping[str, Any]) -> pd.Series:
    usual = {"date": "%Y-%m-%d", "timestamp": "%Y-%m-%dT%H:%M:%S.%f"}[type_]
    stated = args.get("dateformat" if type_ == "date" else "timestampformat")
    return values.dt.strftime(stated or usual)
