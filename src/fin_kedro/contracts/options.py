"""What a column may state beside its type: each option enforced, or refused by name."""

from __future__ import annotations

import struct
from typing import Any

from open_data_contract_standard.model import DataQuality, SchemaProperty

from fin_kedro.contracts.column import ContractError
from fin_kedro.contracts.patterns import FORMATS, PatternError, common_pattern
from fin_kedro.contracts.source import Source, near
from fin_kedro.contracts.typed import typed_at

_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_LENGTHS = {"minLength": "min_length", "maxLength": "max_length"}
OPTIONS = {
    "string": (*_LENGTHS, "pattern", "format"),
    "integer": (*_BOUNDS, "multipleOf", "format"),
    "number": (*_BOUNDS, "multipleOf", "format"),
    "date": (*_BOUNDS, "format"),
    "timestamp": (*_BOUNDS, "format", "timezone", "defaultTimezone"),
    "boolean": (),
}
# Names of a column that are read and bind nothing: they tell people and catalogs about it.
DOCUMENTATION = (
    "id", "description", "businessName", "deprecated", "synonyms", "authoritativeDefinitions",
    "tags", "classification", "criticalDataElement", "encryptedName", "physicalType",
    "transformSourceObjects", "transformLogic", "transformDescription", "relationships",
    "partitioned", "partitionKeyPosition",
)  # fmt: skip
ENFORCED = (
    "name", "logicalType", "logicalTypeOptions", "required", "unique", "primaryKey",
    "primaryKeyPosition", "enum", "examples", "customProperties", "quality", "physicalName",
)  # fmt: skip
# Refused where they state more than their default: the reason, and the way out.
REFUSED = {
    "properties": "a column of columns is not read; deliver each as a column of its own",
    "items": "a list in a column is not read; deliver its parts as columns of their own",
    "map": "a map in a column is not read; deliver its parts as columns of their own",
    "semanticType": "only `column` is a value of the table; deliver it as one",
}
_LARGEST_SINGLE = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
_DATE_FORMATS = {
    "date": {"yyyy-MM-dd": None},
    "timestamp": {"yyyy-MM-dd HH:mm:ss": None, "yyyy-MM-dd'T'HH:mm:ss": None},
}
_UTC = ("UTC", "Etc/UTC")


def column_rules(item: SchemaProperty, source: Source, steps: tuple[Any, ...]) -> dict[str, Any]:
    """Return the rules of a column as facts of `Column`.

    Args:
        item: the column as the standard's model; its type is one of ours.
        source: the file.
        steps: where in the file the column stands.

    Raises:
        ContractError: an option is not enforced here, does not belong to the type, or its value
            is no value for it; names the line.
    """
    _refuse_others(item, source, steps)
    type_ = str(item.logicalType)
    facts: dict[str, Any] = {"unique": bool(item.unique)}
    for name, value in (item.logicalTypeOptions or {}).items():
        place = (*steps, "logicalTypeOptions", name)
        what = f"column {item.name}: {name}"
        if name not in OPTIONS[type_]:
            raise ContractError(
                f"{source.where(*place)}, {what} is no option of type {type_}"
                f"{near(name, OPTIONS[type_] or ['none'])}"
            )
        _state(facts, _read(name, value, type_, source, place, what), source.where(*place), what)
    for place_, rule in enumerate(item.quality or []):
        _state_quality(facts, rule, item, source, (*steps, "quality", place_))
    return facts


def _refuse_others(item: SchemaProperty, source: Source, steps: tuple[Any, ...]) -> None:
    stated = item.model_dump(exclude_none=True)
    for name, why in REFUSED.items():
        harmless = {"semanticType": "column"}.get(name)
        if name in stated and stated[name] != harmless:
            raise ContractError(
                f"{source.where(*steps, name)}, column {item.name}: {name} is not enforced here: "
                f"{why}."
            )


def _state(facts: dict[str, Any], found: dict[str, Any], where: str, what: str) -> None:
    """Add rules; of two lower (or upper) bounds the narrower stands, any other pair is refused."""
    for name, value in found.items():
        if name == "minimum" and facts.get(name) is not None:
            facts[name] = max(facts[name], value)
        elif name == "maximum" and facts.get(name) is not None:
            facts[name] = min(facts[name], value)
        elif facts.get(name) not in (None, False, value):
            raise ContractError(
                f"{where}, {what} states the same as another option ({facts[name]!r}); keep one."
            )
        else:
            facts[name] = value


def _read(
    name: str, value: Any, type_: str, source: Source, place: tuple[Any, ...], what: str
) -> dict[str, Any]:
    """One option as facts of `Column`."""
    where = source.where(*place)
    if name in _BOUNDS:
        return {_BOUNDS[name]: _bound(value, type_, source, place, what)}
    if name in _LENGTHS:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ContractError(f"{where}, {what} is {value!r}; write a whole number from 0 on.")
        return {_LENGTHS[name]: value}
    if name == "multipleOf":
        step = _bound(value, type_, source, place, what)
        if step <= 0:
            raise ContractError(f"{where}, {what} is {value!r}; write a number above 0.")
        return {"multiple_of": int(step) if float(step).is_integer() else step}
    if name == "pattern":
        return {"pattern": _pattern(value, where, what)}
    if name == "format":
        return _format(value, type_, where, what)
    return _zone(name, value, where, what)


def _bound(value: Any, type_: str, source: Source, place: tuple[Any, ...], what: str) -> Any:
    """A bound is a number (of an integer column, too) or a date; a number in quotes is none."""
    kind = "number" if type_ in ("integer", "number") else type_
    if kind == "number" and isinstance(value, str):
        raise ContractError(
            f"{source.where(*place)}, {what} is the text {value!r}; write a number, without quotes "
            "(1000.0 for 1e3, which YAML reads as a text)."
        )
    return typed_at(value, kind, source, place, what)


def _pattern(value: Any, where: str, what: str) -> str:
    if not isinstance(value, str):
        raise ContractError(f"{where}, {what} is {value!r}; write a text, in quotes.")
    try:
        _taken_by_tables(common_pattern(value))
    except PatternError as error:
        raise ContractError(f"{where}, {what} is {value!r}: {error}.") from error
    return value


def _taken_by_tables(written: str) -> None:
    """RE2 bounds the size of a pattern; pyarrow brings it, as DuckDB does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern=written)
    except pa.ArrowInvalid as error:
        raise PatternError("it is no regular expression, or too large a one") from error


def _format(value: Any, type_: str, where: str, what: str) -> dict[str, Any]:
    allowed: dict[str, Any] = {**_integer_formats(), **_DATE_FORMATS, **_text_formats()}[type_]
    if not isinstance(value, str) or value not in allowed:
        way = {
            "string": " State what it means as a `pattern`.",
            "date": " Deliver ISO dates.",
            "timestamp": " Deliver ISO times, in UTC.",
        }.get(type_, "")
        raise ContractError(
            f"{where}, {what} is {value!r}, which is not enforced here"
            f"{near(str(value), allowed)}{way}"
        )
    return allowed[value] or {}


def _text_formats() -> dict[str, dict[str, Any]]:
    return {"string": {name: {"pattern": pattern} for name, pattern in FORMATS.items()}}


def _integer_formats() -> dict[str, dict[str, Any]]:
    """Bits as ranges; a table's integers have 64 bits anyway."""
    signed = {
        f"i{n}": {"minimum": -(2 ** (n - 1)), "maximum": 2 ** (n - 1) - 1} for n in (8, 16, 32)
    }
    unsigned = {f"u{n}": {"minimum": 0, "maximum": 2**n - 1} for n in (8, 16, 32)}
    wide = {"i64": None, "i128": None, "u64": {"minimum": 0}, "u128": {"minimum": 0}}
    single = {"minimum": -_LARGEST_SINGLE, "maximum": _LARGEST_SINGLE}
    return {"integer": {**signed, **unsigned, **wide}, "number": {"f32": single, "f64": None}}


def _zone(name: str, value: Any, where: str, what: str) -> dict[str, Any]:
    if (name == "timezone" and value is not False) or (
        name == "defaultTimezone" and value not in _UTC
    ):
        raise ContractError(
            f"{where}, {what} is {value!r}, which is not enforced here: times are read as UTC. "
            "Deliver them so, and leave the option out."
        )
    return {}


def _state_quality(
    facts: dict[str, Any],
    rule: DataQuality,
    item: SchemaProperty,
    source: Source,
    steps: tuple[Any, ...],
) -> None:
    """A rule that says "no such row" is one of ours in other words; the others are refused."""
    if rule.type == "text":
        return  # for people
    where, what = source.where(*steps), f"column {item.name}: quality rule"
    metric = rule.metric or rule.rule
    stated = rule.model_dump(exclude_none=True)
    limits = {name: value for name, value in stated.items() if name.startswith("must")}
    arguments = rule.arguments or {}
    if rule.type not in (None, "library") or limits != {"mustBe": 0} or rule.mustBe is False:
        metric = None
    if metric == "nullValues" and not arguments:
        facts["required"] = True
    elif metric == "duplicateValues" and not arguments:
        facts["unique"] = True
    elif metric == "invalidValues" and list(arguments) == ["validValues"] and not item.enum:
        place = (*steps, "arguments", "validValues")
        facts["allowed"] = _values(arguments["validValues"], item, source, place)
    elif metric == "invalidValues" and list(arguments) == ["pattern"] and _is_text(item):
        found = {"pattern": _pattern(arguments["pattern"], where, what)}
        _state(facts, found, where, what)
    else:
        raise ContractError(
            f"{where}, {what} is not enforced here; allowed are type: text, and with mustBe: 0 the "
            "metrics nullValues, duplicateValues, and invalidValues with arguments: {pattern: ...} "
            "on a string, or {validValues: [...]} without an enum. Otherwise state "
            "required, unique, enum or logicalTypeOptions."
        )


def _values(
    values: Any, item: SchemaProperty, source: Source, steps: tuple[Any, ...]
) -> tuple[Any, ...]:
    if not isinstance(values, list) or not values:
        raise ContractError(
            f"{source.where(*steps)}, column {item.name}: validValues is {values!r}; write a list."
        )
    return tuple(
        typed_at(
            v, str(item.logicalType), source, (*steps, n), f"column {item.name}: a valid value"
        )
        for n, v in enumerate(values)
    )


def _is_text(item: SchemaProperty) -> bool:
    return item.logicalType == "string"
