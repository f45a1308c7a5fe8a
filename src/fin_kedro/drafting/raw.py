"""The table that a draft is made from: a CSV or Parquet file, or a table of a database."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting.sniffing import CsvForm, sniff

READ_AS_IT_IS = ("utf-8", "utf-8-sig", "latin-1")  # DuckDB has no others built in


@dataclass(frozen=True)
class Raw:
    """A table to be drafted from.

    ``table`` lies in DuckDB; that of a CSV file has texts only, and ``form`` says how the file is
    written. ``path`` is the file: of a database's table a Parquet copy in the work folder.
    """

    origin: str
    path: Path
    table: ir.Table
    form: CsvForm | None = None

    @property
    def shown(self) -> str:
        """What it was, for people: no folder of a machine, and no password of a database."""
        kind, mark, _ = self.origin.partition("://")
        if mark:
            return f"the {kind} table {self.origin.rpartition('::')[2]}"
        return self.path.name

    @property
    def copied_anyway(self) -> str | None:
        """Why the file itself cannot be read in a run, or None where it can."""
        if self.form is None:
            return None
        if not self.form.header:
            return "it has no line of names"
        if self.form.mended:
            return "names of its columns are empty, repeated, or have blanks around them"
        if self.form.encoding not in READ_AS_IT_IS:
            return f"it is in {self.form.encoding}; the copy is in UTF-8"
        return None


def open_raw(source: str, work: Path) -> Raw:
    """Open what a draft is made from.

    Args:
        source: path of a CSV or Parquet file, or an address that Ibis knows with a table, such as
            ``duckdb:///folder/x.db::loans`` or ``sqlite:///folder/x.db::loans``.
        work: a folder for what is made on the way.

    Raises:
        ContractError: there is nothing to read there; says what is allowed.
    """
    if "::" in source:
        return _of_database(source, work)
    path = Path(source)
    if not path.is_file():
        raise ContractError(
            f"no file at {source}. Give a CSV or Parquet file, or a table of a database, such as "
            "duckdb:///folder/x.db::loans."
        )
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        return Raw(source, path, _engine(work).read_parquet(path, hive_partitioning=False))
    form = sniff(path)
    found = Raw(source, path, ibis.memtable({"none": [0]}), form)
    read, delimiter = path, form.delimiter
    encoding = {"latin-1": {"encoding": "latin-1"}}.get(form.encoding, {})
    if found.copied_anyway:
        read, encoding = work / "mended.csv", {}
        rewrite_csv(path, form, read)
    return Raw(source, path, _texts(read, delimiter, encoding, work), form)


def _engine(work: Path) -> Any:
    connection = ibis.duckdb.connect(memory_limit="1GB", threads=2)
    spill = (work / "spill").as_posix().replace("'", "''")
    connection.raw_sql(f"SET temp_directory = '{spill}'")
    return connection


def _texts(path: Path, delimiter: str, encoding: dict[str, str], work: Path) -> ir.Table:
    """A CSV file as texts, as the run will read it; kept by columns, as each is looked at alone."""
    engine, kept = _engine(work), work / "texts.parquet"
    try:
        texts = engine.read_csv(
            path, delim=delimiter, header=True, sample_size=-1, all_varchar=True,
            hive_partitioning=False, **encoding,
        )  # fmt: skip
        texts.to_parquet(kept)
    except Exception as error:  # DuckDB's, by many names
        raise ContractError(
            f"{path} is no readable CSV file: {str(error).splitlines()[0]}"
        ) from error
    return engine.read_parquet(kept, hive_partitioning=False)


def _of_database(source: str, work: Path) -> Raw:
    url, _, name = source.rpartition("::")
    try:
        connection = ibis.connect(_with_file(url))
        if name not in connection.list_tables():
            raise ContractError(
                f"{url} has no table {name!r}; it has: {', '.join(connection.list_tables())}."
            )
        target = work / "table.parquet"
        connection.table(name).to_parquet(target)
    except ContractError:
        raise
    except Exception as error:  # each driver has errors of its own
        raise ContractError(
            f"{url} cannot be read: {str(error).splitlines()[0]}. Write an address that Ibis "
            "knows and a table, such as duckdb:///folder/x.db::loans."
        ) from error
    return Raw(source, target, _engine(work).read_parquet(target))


def _with_file(url: str) -> str:
    """An address of a database in a file: the file must be there (else it would be made)."""
    kind, mark, rest = url.partition("://")
    if kind not in ("duckdb", "sqlite") or not mark:
        return url
    place, _, options = rest.partition("?")
    # with three slashes the path is absolute; one that is not there may have been meant from here
    found = next((p for p in (Path(place), Path(place.lstrip("/"))) if p.is_file()), None)
    if found is None:
        raise ContractError(f"no database file at {place}.")
    asked = "&".join(filter(None, [options, "read_only=true" if kind == "duckdb" else ""]))
    return f"{kind}://{found.resolve().as_posix()}" + (f"?{asked}" if asked else "")


def rewrite_csv(path: Path, form: CsvForm, target: Path) -> None:
    """Copy a CSV file in UTF-8 with usable names; every cell stays as it is, and so does the
    delimiter."""
    with (
        path.open(newline="", encoding=form.encoding) as read,
        target.open("w", newline="", encoding="utf-8") as written,
    ):
        writer = csv.writer(written, delimiter=form.delimiter, lineterminator="\n")
        writer.writerow(form.names)
        rows = (row for row in csv.reader(read, delimiter=form.delimiter) if row)
        if form.header:
            next(rows)
        writer.writerows(rows)
