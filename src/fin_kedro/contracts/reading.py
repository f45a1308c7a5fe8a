"""Reads a contract file: Open Data Contract Standard YAML, checked, with line numbers."""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaProperty,
)

from fin_kedro.contracts.columns import CUSTOM, read_column, read_custom
from fin_kedro.contracts.consistency import check_roles, check_rules, event_of
from fin_kedro.contracts.made_ids import WAYS, made_id
from fin_kedro.contracts.model import SIGNS, Column, Comparison, Contract, ContractError
from fin_kedro.contracts.moments import with_references
from fin_kedro.contracts.own_names import RESERVED
from fin_kedro.contracts.source import Source, near
from fin_kedro.contracts.standard import read_standard

ENGINE = "fin_kedro"  # of the standard's custom quality rules, those that are ours
_COMPARISON = re.compile(rf"\s*(\w+)\s*({'|'.join(SIGNS)})\s*(\w+)\s*")
_TABLE = ("schema", 0)


def read_contract(path: str | Path) -> Contract:
    """Read and check a contract file.

    Raises:
        ContractError: the file is no contract; names the line, the bad value, the allowed set.
    """
    path = Path(path)
    text = _read(path)
    return _contract(text, path)


@functools.lru_cache(maxsize=16)
def _contract(text: str, path: Path) -> Contract:
    """Parse once per text: a run asks for its contract at every node."""
    source = Source.parse(text, path)
    document = read_standard(source)
    if not document.schema_ or len(document.schema_) != 1:
        raise ContractError(f"{path}: a contract describes one table; give `schema` one entry.")
    table = document.schema_[0]
    columns = [
        read_column(item, source, (*_TABLE, "properties", place))
        for place, item in enumerate(table.properties or [])
    ]
    _refuse_duplicates(columns, path)
    custom = read_custom(table.customProperties, ["event", "id"], source, _TABLE, "the table")
    columns = _with_id(_keyed(columns, table.properties or []), table.properties or [], source)
    columns = with_references(_with_stated_id(columns, custom.get("id"), source))
    _refuse_misplaced(document, source)
    contract = Contract(
        name=table.name or document.name or path.stem,
        version=document.version or "0",
        path=_in_project(path),
        columns={c.name: c for c in columns},
        comparisons=_comparisons(table.quality or [], columns, source),
    )
    check_rules(contract)
    check_roles(contract, states_event="event" in custom)
    if not contract.has_target:
        return contract
    return replace(contract, event=event_of(contract, custom.get("event"), source))


class ContractDataset(AbstractDataset[None, Contract]):
    """Kedro dataset of a contract file; read only.

    Args:
        filepath: path of the YAML file, relative to the project.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Contract:
        """Read the contract."""
        return read_contract(self._filepath)

    def preview(self) -> TablePreview:
        """Return one row per column, for Kedro-Viz."""
        return contract_preview(self.load())

    def save(self, data: None) -> None:  # noqa: ARG002 (Kedro's signature)
        """Refuse: a contract is written by people."""
        raise ContractError(f"{self._filepath} is edited by hand and reviewed; no run writes it.")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return self._filepath.exists()


def contract_preview(contract: Contract) -> TablePreview:
    """One row per column: name, role, type, sign, reason."""
    data = [
        [c.name, c.role, c.type, c.sign, c.reason if c.role == "feature" else ""]
        for c in contract.columns.values()
    ]
    heading = ["column", "role", "type", "sign", "reason"]
    return TablePreview({"index": list(range(len(data))), "columns": heading, "data": data})


def _in_project(path: Path) -> str:
    """Return the path from `conf` on: the same in every copy of the project."""
    parts = path.parts
    place = len(parts) - 1 - parts[::-1].index("conf") if "conf" in parts else -1
    return Path(*parts[place:]).as_posix()


def _read(path: Path) -> str:
    if not path.exists():
        near = sorted(str(p) for p in path.parent.glob("*.odcs.yaml"))
        raise ContractError(f"no contract at {path}. Contracts there: {near or 'none'}.")
    return path.read_text(encoding="utf-8")


def _refuse_misplaced(document: OpenDataContractStandard, source: Source) -> None:
    """A property of ours above the table would be read by nobody."""
    for place, item in enumerate(document.customProperties or []):
        if item.property in ("event", "id", *CUSTOM):
            where = source.where("customProperties", place)
            level = "a column" if item.property in CUSTOM else "the table (under schema)"
            raise ContractError(f"{where}: {item.property!r} belongs to {level}; move it there.")


def _keyed(columns: list[Column], properties: list[SchemaProperty]) -> list[Column]:
    """A primary key is required, and unique where it is one column."""
    keys = [columns[place].name for place, item in enumerate(properties) if item.primaryKey]
    alone = len(keys) == 1
    return [
        replace(c, unique=alone and c.role != "id", required=True) if c.name in keys else c
        for c in columns
    ]


def _with_id(
    columns: list[Column], properties: list[SchemaProperty], source: Source
) -> list[Column]:
    """Several columns that tell rows apart together make one id: by role, else as primary key."""
    ids = [c.name for c in columns if c.role == "id"]
    keys = [columns[place] for place, item in enumerate(properties) if item.primaryKey]
    ordered = sorted(keys, key=lambda c: properties[columns.index(c)].primaryKeyPosition or 0)
    of = ids if ids else [c.name for c in ordered]
    if ids and len(keys) > 1 and not any(c.name in ids for c in keys):
        where = source.where(*_TABLE, "properties", columns.index(keys[1]), "primaryKey")
        raise ContractError(
            f"{where}: the primaryKey of several columns ({', '.join(c.name for c in ordered)}) "
            f"and {ids[0]}, whose role is 'id', are two ways to tell rows apart; take one away."
        )
    if len(of) < 2:
        return columns
    own = dict.fromkeys(ids, "ignored")
    parts = [
        replace(c, role=own.get(c.name, c.role), required=True, unique=False) if c.name in of else c
        for c in columns
    ]
    return [made_id("key", parts, of), *parts]


def _with_stated_id(
    columns: list[Column], stated: tuple[Any, tuple[Any, ...]] | None, source: Source
) -> list[Column]:
    """The id that the table's ``id`` asks to be made."""
    if stated is None:
        return columns
    way, steps = stated
    where = f"{source.where(*steps)}: id of the table"
    if way not in WAYS:
        raise ContractError(f"{where} is {way!r}{near(str(way), WAYS)}")
    if had := [c.name for c in columns if c.role == "id"]:
        raise ContractError(
            f"{where} is to be made, and {had[0]} is the id; take one of them away."
        )
    return [made_id(way, columns), *columns]


def _comparisons(
    rules: list[DataQuality], columns: list[Column], source: Source
) -> tuple[Comparison, ...]:
    """Rules of the table; those of type text are for people."""
    return tuple(
        _comparison(rule, columns, source.where(*_TABLE, "quality", place))
        for place, rule in enumerate(rules)
        if rule.type != "text"
    )


def _comparison(rule: DataQuality, columns: list[Column], where: str) -> Comparison:
    """Read a quality rule of our engine: two columns of a row compared."""
    where = f"{where}: quality rule {rule.name or rule.id or ''}".rstrip()
    if (rule.type, rule.engine) != ("custom", ENGINE):
        raise ContractError(
            f"{where}: type {rule.type!r} with engine {rule.engine!r} is not checked here; write "
            f"type: custom, engine: {ENGINE}, implementation: a column, a sign, a column."
        )
    found = _COMPARISON.fullmatch(str(rule.implementation))
    if not found:
        raise ContractError(
            f"{where}: {rule.implementation!r} compares no two columns; write it like "
            f"'known_us >= event_us' with one of {', '.join(SIGNS)}."
        )
    left, sign, right = found.groups()
    kinds = {c.name: "a number" if c.is_number else c.type for c in columns}
    for name in (left, right):
        if name not in kinds:
            raise ContractError(f"{where}: column is {name!r}{near(name, kinds)}")
    if kinds[left] != kinds[right]:
        raise ContractError(
            f"{where}: {left} is {kinds[left]} and {right} is {kinds[right]}; only what is of one "
            "kind can be compared."
        )
    return Comparison(left=left, sign=sign, right=right)


def _refuse_duplicates(columns: list[Column], path: Path) -> None:
    """Names that are taken: by another column, in the file, or by us."""
    twice = sorted(name for name, times in Counter(c.name for c in columns).items() if times > 1)
    if twice:
        raise ContractError(f"{path}: columns stated twice: {', '.join(twice)}. Keep one of each.")
    delivered = Counter(c.delivered_as for c in columns)
    first: dict[str, str] = {}
    for column in columns:
        where = f"{path}:{column.line}, column {column.name}"
        other = first.setdefault(column.name.casefold(), column.name)
        if other != column.name:
            raise ContractError(
                f"{where}: {other} and {column.name} differ in case only, and engines do not tell "
                "case. Give one of them another `name`, and say what the file calls it: "
                f"`physicalName: {column.delivered_as}`."
            )
        if delivered[column.delivered_as] > 1:
            raise ContractError(
                f"{where}: the file's column {column.delivered_as} is read by two columns. Keep "
                "one of them."
            )
        if column.name.casefold().startswith(RESERVED):
            raise ContractError(
                f"{where}: names that begin with {RESERVED!r} are kept for columns of the "
                "platform's own. Rename the column."
            )
