"""Reads a contract file: Open Data Contract Standard YAML, checked, with line numbers."""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path
from typing import Any

import yaml
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaProperty,
)
from pydantic import ValidationError

from fin_kedro.contracts.model import (
    ROLES,
    SIGNS,
    TYPES,
    Column,
    Comparison,
    Contract,
    ContractError,
)
from fin_kedro.contracts.own_names import RESERVED

# What the standard has no field for stands in its `customProperties`.
_CUSTOM = (
    "role",
    "scale",
    "unit",
    "recode",
    "missingCodes",
    "expectedSign",
    "reason",
    "reasonCode",
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there
ENGINE = "fin_kedro"  # of the standard's custom quality rules, those that are ours
_COMPARISON = re.compile(rf"\s*(\w+)\s*({'|'.join(SIGNS)})\s*(\w+)\s*")
_SIGNS = {"positive": 1, "negative": -1, "none": 0}


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
    document = _parse(text, path)
    if not document.schema_ or len(document.schema_) != 1:
        raise ContractError(f"{path}: a contract describes one table; give `schema` one entry.")
    table = document.schema_[0]
    lines = _lines(text)
    columns = [_column(p, path, lines.get(p.name or "", 0)) for p in table.properties or []]
    custom = _table_custom(table.customProperties, path)
    _refuse_duplicates(columns, path)
    contract = Contract(
        name=table.name or document.name or path.stem,
        version=document.version or "0",
        path=_in_project(path),
        event=custom.get("event", 1),
        columns={c.name: c for c in columns},
        comparisons=tuple(_comparison(rule, columns, path) for rule in table.quality or []),
    )
    _check_roles(contract, states_event="event" in custom)
    _check_rules(contract)
    return contract


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


def _parse(text: str, path: Path) -> OpenDataContractStandard:
    try:
        return OpenDataContractStandard(**yaml.load(text, Loader=_LOADER))  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise ContractError(
            f"{path} is no Open Data Contract Standard file: {error}. "
            "Compare it with conf/base/contracts/credit_applications.odcs.yaml."
        ) from error


def _lines(text: str) -> dict[str, int]:
    """Line of each column's `name` in the file."""
    root = yaml.compose(text, Loader=_LOADER)
    found: dict[str, int] = {}
    for properties in _find(root, "properties"):
        for item in getattr(properties, "value", []):
            for name in _find(item, "name", deep=False):
                found.setdefault(name.value, item.start_mark.line + 1)
    return found


def _find(node: Any, key: str, *, deep: bool = True) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        here = [v for k, v in node.value if k.value == key]
        below = [f for _, v in node.value for f in _find(v, key)] if deep and not here else []
        return here + below
    if isinstance(node, yaml.SequenceNode) and deep:
        return [f for item in node.value for f in _find(item, key)]
    return []


def _column(item: SchemaProperty, path: Path, line: int) -> Column:
    where = f"{path}:{line}, column {item.name}"
    custom = _custom(item, where)
    options = item.logicalTypeOptions or {}
    enum: list[Any] = list(item.enum or [])
    reason = custom.get("reason") or (item.businessName or item.name or "")
    return Column(
        name=_need(item.name, "a name", where),
        type=_one_of(item.logicalType, TYPES, "logicalType", where),
        role=_one_of(custom.get("role", "ignored"), ROLES, "role", where),
        required=bool(item.required),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        allowed=tuple(e.value for e in enum),
        labels={e.value: e.label or "" for e in enum},
        nominal=item.logicalType == "string" or custom.get("scale") == "nominal",
        recode=dict(_kind(custom.get("recode") or {}, dict, "{0: 4}", "recode", where)),
        missing_codes=tuple(
            _kind(custom.get("missingCodes") or [], list, "[-9]", "missingCodes", where)
        ),
        sign=_SIGNS[_one_of(custom.get("expectedSign", "none"), _SIGNS, "expectedSign", where)],
        reason=reason,
        reason_code=custom.get("reasonCode") or (item.name or "").upper(),
        description=item.description or "",
        unit=custom.get("unit"),
        pii=item.classification or "none",
        example=(item.examples or [None])[0],
        line=line,
    )


def _custom(item: SchemaProperty, where: str) -> dict[str, Any]:
    custom = {p.property or "": p.value for p in item.customProperties or []}
    for name in custom:
        if name not in _CUSTOM:
            raise ContractError(f"{where}: unknown custom property {name!r}{_near(name, _CUSTOM)}")
    return custom


def _table_custom(properties: Any, path: Path) -> dict[str, Any]:
    custom = {p.property: p.value for p in properties or []}
    for name in custom:
        if name != "event":
            raise ContractError(f"{path}: unknown custom property {name!r}{_near(name, ['event'])}")
    return custom


def _comparison(rule: DataQuality, columns: list[Column], path: Path) -> Comparison:
    """Read a quality rule of our engine: two columns of a row compared."""
    where = f"{path}: quality rule {rule.name or rule.id or ''}".rstrip()
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
        _one_of(name, list(kinds), "column", where)
    if kinds[left] != kinds[right]:
        raise ContractError(
            f"{where}: {left} is {kinds[left]} and {right} is {kinds[right]}; only what is of one "
            "kind can be compared."
        )
    return Comparison(left=left, sign=sign, right=right)


def _one_of(value: Any, allowed: Any, what: str, where: str) -> Any:
    if not isinstance(value, str) or value not in allowed:
        raise ContractError(f"{where}: {what} is {value!r}{_near(str(value), list(allowed))}")
    return value


def _kind(value: Any, kind: type, example: str, what: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise ContractError(f"{where}: {what} is {value!r}; write it like {example}.")
    return value


def _near(value: str, allowed: Any) -> str:
    close = difflib.get_close_matches(value, list(allowed), 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"; allowed are {', '.join(map(str, allowed))}.{hint}"


def _need(value: str | None, what: str, where: str) -> str:
    if not value:
        raise ContractError(f"{where}: {what} is missing.")
    return value


def _refuse_duplicates(columns: list[Column], path: Path) -> None:
    names = [c.name for c in columns]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ContractError(f"{path}: columns stated twice: {', '.join(twice)}. Keep one of each.")
    for column in columns:
        if column.name.casefold().startswith(RESERVED):
            raise ContractError(
                f"{path}:{column.line}, column {column.name}: names that begin with {RESERVED!r} "
                "are kept for columns of the platform's own. Rename the column."
            )


def _check_rules(contract: Contract) -> None:
    """A rule must leave something to be allowed, and recode onto what is documented."""
    for column in contract.columns.values():
        where = f"{contract.where(column.name)}, column {column.name}"
        low, high = column.minimum, column.maximum
        if low is not None and high is not None and low > high:
            raise ContractError(
                f"{where}: minimum {low} is above maximum {high}; nothing is allowed."
            )
        unknown = [v for v in column.recode.values() if column.allowed and v not in column.allowed]
        if unknown:
            raise ContractError(
                f"{where}: recode leads to {unknown[0]!r}, which is no allowed value; allowed: "
                f"{', '.join(map(str, column.allowed))}."
            )


def _check_roles(contract: Contract, *, states_event: bool) -> None:
    """A table has one id; one that a model learns from also a target, and features."""
    for column in contract.features:
        if column.type in ("date", "timestamp"):
            raise ContractError(
                f"{contract.where(column.name)}, column {column.name}: a {column.type} cannot have "
                "the role 'feature'; allowed are integer, number, string, boolean. Deliver it as a "
                "number (days before the application, say), or give it the role time or ignored."
            )
    if not contract.id.required:
        raise ContractError(f"{contract.path}: the id must be required.")
    _ = contract.time  # raises where the role is given twice
    if states_event or contract.has_target:
        _check_outcome(contract)


def _check_outcome(contract: Contract) -> None:
    """A model learns from features and a target whose bad value is allowed."""
    target = contract.target
    if not contract.features:
        raise ContractError(
            f"{contract.path}: there is a target and nothing to learn from; one column must be a "
            "feature."
        )
    if target.allowed and contract.event not in target.allowed:
        raise ContractError(
            f"{contract.where(target.name)}: `event` is {contract.event!r}, which is no allowed "
            f"value of {target.name}; allowed: {target.allowed_text()}."
        )
