"""Names that the Open Data Contract Standard knows, by its own JSON schema."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

import open_data_contract_standard as standard
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from fin_kedro.contracts.column import ContractError
from fin_kedro.contracts.source import Source, near

_BY_TYPE = "logicalTypeOptions"  # which names belong there, a column's type says
_BRANCHES = ("allOf", "anyOf", "oneOf")


@functools.lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (resources.files(standard) / "schema.json").read_text("utf-8")
    )
    return content


def read_standard(source: Source) -> OpenDataContractStandard:
    """Return a document as the standard's own model.

    Raises:
        ContractError: a name is unknown, at any depth, or a value is of another kind than the
            standard says; names the line and the nearest known name.
    """
    _refuse_unknown(source, source.data, [_schema()], ())
    try:
        return OpenDataContractStandard(**source.data)
    except ValidationError as error:
        raise ContractError(_sentence(source, error)) from error


def property_names() -> set[str]:
    """Every name that the standard has for a column."""
    return set(_members([_schema()["$defs"]["SchemaBaseProperty"]])[0])


def _sentence(source: Source, error: ValidationError) -> str:
    """The first finding in one sentence; the standard's model knows no lines."""
    first = error.errors()[0]
    place = first["loc"]
    value = first["input"]
    hint = "; write it in quotes" if "valid string" in first["msg"] else ""
    if isinstance(value, dict | list):
        value = type(value).__name__
    return (
        f"{source.where(*place)}: {'.'.join(map(str, place))} is {value!r}, and the Open Data "
        f"Contract Standard says: {first['msg']}{hint}."
    )


def _refuse_unknown(source: Source, data: Any, schemas: list[Any], steps: tuple[Any, ...]) -> None:
    """Hold names against the schema; what it leaves open, such as a server's, we do."""
    names, items, closed = _members(schemas)
    if isinstance(data, dict):
        for name, value in data.items():
            if name == _BY_TYPE:
                continue
            if name in names:
                _refuse_unknown(source, value, names[name], (*steps, name))
            elif closed:
                raise ContractError(
                    f"{source.where(*steps, name)}: unknown name {name!r} under "
                    f"{_under(steps)}{near(str(name), names)}"
                )
    elif isinstance(data, list):
        for place, value in enumerate(data):
            _refuse_unknown(source, value, items, (*steps, place))


def _under(steps: tuple[Any, ...]) -> str:
    named = [step for step in steps if isinstance(step, str)]
    return repr(named[-1]) if named else "the contract"


def _members(schemas: list[Any]) -> tuple[dict[str, list[Any]], list[Any], bool]:
    """Names with their schemas, schemas of a list's items, and whether other names are barred.

    The names of every branch count: which of them fit a column's type is told by its options.
    """
    names: dict[str, list[Any]] = {}
    items: list[Any] = []
    closed = False
    left = list(schemas)
    while left:
        schema = left.pop()
        if "$ref" in schema:
            left.append(_definition(schema["$ref"]))
        for branch in _BRANCHES:
            left.extend(schema.get(branch, []))
        left.extend(schema[key] for key in ("then", "else") if key in schema)
        for name, below in schema.get("properties", {}).items():
            names.setdefault(name, []).append(below)
        if isinstance(schema.get("items"), dict):
            items.append(schema["items"])
        barred = (schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
        closed = closed or False in [b for b in barred if isinstance(b, bool)]
    return names, items, closed


def _definition(reference: str) -> Any:
    found: Any = _schema()
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
