"""Contracts to test with: the project's own, and a small one with every kind of rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract
from fin_kedro.contracts.reading import read_contract

CREDIT = Path(__file__).parents[2] / "conf/base/contracts/credit_applications.odcs.yaml"


def credit_contract() -> Contract:
    """Return the project's contract."""
    return read_contract(CREDIT)


def loans() -> Contract:
    """Return a contract with ranges, lists, recodes, missing codes and optional columns."""
    columns = (
        Column(name="number", type="integer", role="id", line=3),
        Column(name="income", type="number", role="feature", minimum=0, maximum=10_000_000, line=7),
        Column(
            name="score",
            type="integer",
            role="feature",
            minimum=300,
            maximum=850,
            missing_codes=(-9,),
            recode={0: 300},
            line=11,
        ),
        Column(
            name="education",
            type="integer",
            role="feature",
            allowed=(1, 2),
            labels={1: "school"},
            recode={5: 2},
            nominal=True,
            line=15,
        ),
        Column(
            name="town",
            type="string",
            role="feature",
            required=False,
            missing_codes=("n/a",),
            nominal=True,
            line=19,
        ),
        Column(name="owner", type="boolean", role="feature", required=False, line=23),
        Column(name="debt", type="number", role="feature", required=False, line=27),
        Column(name="sex", type="integer", role="protected", allowed=(1, 2), line=31),
        Column(name="bad", type="integer", role="target", allowed=(0, 1), line=35),
    )
    return Contract(
        name="loans", version="1.0.0", path="loans.odcs.yaml", columns={c.name: c for c in columns}
    )


def allowed_value(column: Column) -> st.SearchStrategy[Any]:
    """Draw any raw value that the column's rule allows."""
    low, high = column.minimum, column.maximum
    free: Mapping[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: st.integers(
            None if low is None else int(low), None if high is None else int(high)
        ),
        "number": lambda: st.floats(low, high, allow_nan=False, allow_infinity=False),
        "string": st.text,
        "boolean": st.booleans,
    }
    value = st.sampled_from(column.allowed) if column.allowed else free[column.type]()
    if column.recode or column.missing_codes:
        value |= st.sampled_from((*column.recode, *column.missing_codes))
    return value if column.required else value | st.none()


def application(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a row of feature columns; optional ones may be left out."""
    must = {c.name: allowed_value(c) for c in contract.features if c.required}
    may = {c.name: allowed_value(c) for c in contract.features if not c.required}
    return st.fixed_dictionaries(must, optional=may)


HEAD = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "small",
    "name": "small",
    "version": "1.0.0",
    "status": "active",
}


def prop(name: str, type_: str, role: str = "feature", **more: Any) -> dict[str, Any]:
    """A column as the standard writes it; ``options`` are its logicalTypeOptions."""
    made: dict[str, Any] = {"name": name, "logicalType": type_, "required": True}
    own = {"role": role, **more.pop("custom", {})}
    if "options" in more:
        made["logicalTypeOptions"] = more.pop("options")
    if "enum" in more:
        made["enum"] = [{"value": value} for value in more.pop("enum")]
    made["customProperties"] = [{"property": p, "value": v} for p, v in own.items()]
    return made | more


def document(*properties: dict[str, Any], event: Any = 1, **table: Any) -> dict[str, Any]:
    """A whole contract of these columns, with an id and a target of 0 and 1."""
    ends = (prop("id", "string", "id"), prop("bad", "integer", "target", enum=[0, 1]))
    columns = [ends[0], *properties, *(() if has_target(properties) else ends[1:])]
    rows = {"name": "small", "physicalType": "table", "properties": columns, **table}
    rows["customProperties"] = [{"property": "event", "value": event}]
    return {**HEAD, "schema": [rows]}


def has_target(properties: tuple[dict[str, Any], ...]) -> bool:
    """Whether one of the columns is the outcome."""
    target = {"property": "role", "value": "target"}
    return any(target in p.get("customProperties", []) for p in properties)


def write(folder: Path, content: dict[str, Any] | str) -> Path:
    """Write a contract's file; a text as it is."""
    path = folder / "small.odcs.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_text(text)
    return path


def read(folder: Path, *properties: dict[str, Any], **more: Any) -> Contract:
    """Read a contract of these columns from a file."""
    return read_contract(write(folder, document(*properties, **more)))


def line_of(path: Path, part: str) -> int:
    """Line of the only place where a text stands in a file."""
    (found,) = [n for n, line in enumerate(path.read_text().splitlines(), 1) if part in line]
    return found
