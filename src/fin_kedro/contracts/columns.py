"""One property of the standard as a column: role, type, rules, codes, reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from open_data_contract_standard.model import CustomProperty, SchemaProperty

from fin_kedro.contracts.column import MOMENTS, TIME, Column, ContractError, Scalar
from fin_kedro.contracts.model import ROLES, TYPES
from fin_kedro.contracts.options import column_rules
from fin_kedro.contracts.source import Source, near
from fin_kedro.contracts.typed import typed_at

# What the standard has no field for stands in its `customProperties`.
CUSTOM = (
    "role",
    "scale",
    "unit",
    "recode",
    "missingCodes",
    "expectedSign",
    "reason",
    "reasonCode",
    "ageAt",
)
OWN_VENDORS = (None, "fin_kedro", "fin-kedro")  # properties of other vendors are theirs to read
_SIGNS = {"positive": 1, "negative": -1, "none": 0}
_SCALES = ("nominal", "ordinal", "interval", "ratio")
Steps = tuple[Any, ...]


def read_column(item: SchemaProperty, source: Source, steps: Steps) -> Column:
    """Return a property as a column; every value it states is of the column's type.

    Args:
        item: the property as the standard's model.
        source: the file.
        steps: where in the file the property stands.

    Raises:
        ContractError: a name, a value or an option is not known, or not of the column's type;
            names file and line, what is allowed, and the nearest known name.
    """
    name = item.name or ""
    if not name:
        raise ContractError(f"{source.where(*steps)}, column {item.name}: a name is missing.")
    type_ = one_of(item.logicalType, TYPES, "logicalType", source, (*steps, "logicalType"), name)
    custom = read_custom(item.customProperties, CUSTOM, source, steps, f"column {name}")
    rules = column_rules(item, source, steps)
    labels = _enum(item, source, steps)
    facts = {
        "required": bool(item.required),
        "allowed": tuple(labels),
        "reason": item.businessName or name,
        "reason_code": name.upper(),
        "nominal": type_ == "string",
        **rules,
        **_custom_facts(custom, name, type_, source),
    }
    if facts["role"] == "id":
        facts["unique"] = False  # an id is, whether or not that is stated
    return Column(
        name=name,
        type=type_,
        labels=labels,
        description=item.description or "",
        pii=item.classification or "none",
        example=_example(item, source, steps),
        line=source.line(*steps),
        physical_name=_physical_name(item, source, steps),
        **facts,
    )


def _physical_name(item: SchemaProperty, source: Source, steps: Steps) -> str:
    """What a file calls the column; empty where that is its name."""
    stated = item.physicalName
    if stated is not None and not stated:
        where = source.where(*steps, "physicalName")
        raise ContractError(
            f"{where}, column {item.name}: physicalName is empty; write what the file calls the "
            "column, or take the line away."
        )
    return "" if stated in (None, item.name) else str(stated)


def read_custom(
    properties: list[CustomProperty] | None,
    known: Iterable[str],
    source: Source,
    steps: Steps,
    what: str,
) -> dict[str, tuple[Any, Steps]]:
    """Custom properties by name, each with its value and the place of that value.

    Raises:
        ContractError: one is not known, or stated twice. Those of another ``vendor`` are left.
    """
    found: dict[str, tuple[Any, Steps]] = {}
    for place, item in enumerate(properties or []):
        here = (*steps, "customProperties", place)
        if item.vendor not in OWN_VENDORS:
            continue
        name = item.property or ""
        if name not in known:
            raise ContractError(
                f"{source.where(*here)}, {what}: unknown custom property {name!r}"
                f"{near(name, known)}"
            )
        if name in found:
            raise ContractError(
                f"{source.where(*here)}, {what}: custom property {name!r} is stated twice; "
                "keep one."
            )
        found[name] = (item.value, (*here, "value"))
    return found


def one_of(
    value: Any, allowed: Iterable[str], what: str, source: Source, steps: Steps, name: str
) -> Any:
    """Return a name that must be one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ContractError(
            f"{source.where(*steps)}, column {name}: {what} is {value!r}{near(str(value), allowed)}"
        )
    return value


def _custom_facts(
    custom: Mapping[str, tuple[Any, Steps]], name: str, type_: str, source: Source
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    words = {"role": ROLES, "expectedSign": _SIGNS, "scale": _SCALES}
    texts = {"unit": "unit", "reason": "reason", "reasonCode": "reason_code"}
    for key, (value, steps) in custom.items():
        if key in words:
            one_of(value, words[key], key, source, steps, name)
        elif key in texts:
            what = f"column {name}: {key}"
            facts[texts[key]] = typed_at(value, "string", source, steps, what)
        elif key == "ageAt":
            facts["age_at"] = _age_at(value, name, source, steps)
        elif key == "missingCodes":
            facts["missing_codes"] = _codes(value, name, type_, source, steps)
        else:
            facts["recode"] = _recode(value, name, type_, source, steps)
    facts["role"] = custom.get("role", ("ignored", ()))[0]
    if "scale" in custom and type_ != "string":
        facts["nominal"] = custom["scale"][0] == "nominal"
    if "expectedSign" in custom:
        facts["sign"] = _sign(custom["expectedSign"], facts, name, type_, source)
    return facts


def _sign(
    stated: tuple[Any, Steps], facts: Mapping[str, Any], name: str, type_: str, source: Source
) -> int:
    """Only what has an order has a direction."""
    value, steps = stated
    nominal = type_ == "string" or facts.get("nominal", False)
    no_age = type_ in MOMENTS and facts.get("role") != "feature"
    if value != "none" and (nominal or no_age):
        kind = f"a {type_}" if type_ != "integer" else "a code without order (scale: nominal)"
        raise ContractError(
            f"{source.where(*steps)}, column {name}: expectedSign is {value!r}, and {kind} has no "
            "direction; take expectedSign away, or deliver the column as a number with an order."
        )
    return _SIGNS[value]


def _age_at(value: Any, name: str, source: Source, steps: Steps) -> str:
    """The row's time, or a moment: a day counts whole days, a time what has elapsed."""
    if value == TIME:
        return TIME
    try:
        return str(typed_at(value, "timestamp", source, steps, f"column {name}: ageAt"))
    except ContractError as error:
        raise ContractError(
            f"{source.where(*steps)}, column {name}: ageAt is {value!r}; allowed are {TIME} (the "
            "row's column of role time) and a fixed day, such as 2026-01-01."
        ) from error


def _enum(item: SchemaProperty, source: Source, steps: Steps) -> dict[Scalar, str]:
    """Allowed values with their labels."""
    found: dict[Scalar, str] = {}
    for place, entry in enumerate(item.enum or []):
        here = (*steps, "enum", place, "value")
        what = f"column {item.name}: an enum value"
        value = typed_at(entry.value, str(item.logicalType), source, here, what)
        if value in found:
            raise ContractError(f"{source.where(*here)}, {what} is {value!r}, stated twice.")
        found[value] = entry.label or ""
    return found


def _example(item: SchemaProperty, source: Source, steps: Steps) -> Scalar | None:
    """The first example; all of them are held to the column's type."""
    found = [
        typed_at(
            value,
            str(item.logicalType),
            source,
            (*steps, "examples", place),
            f"column {item.name}: an example",
        )
        for place, value in enumerate(item.examples or [])
    ]
    return found[0] if found else None


def _codes(value: Any, name: str, type_: str, source: Source, steps: Steps) -> tuple[Scalar, ...]:
    _kind(value, list, "[-9]", f"column {name}: missingCodes", source, steps)
    what = f"column {name}: a missing code"
    return tuple(typed_at(v, type_, source, (*steps, n), what) for n, v in enumerate(value))


def _recode(
    value: Any, name: str, type_: str, source: Source, steps: Steps
) -> dict[Scalar, Scalar]:
    _kind(value, dict, "{0: 4}", f"column {name}: recode", source, steps)
    keys = source.keys(*steps)
    found: dict[Scalar, Scalar] = {}
    # a name that YAML reads as an earlier one, or one taken over from elsewhere, has no place here
    placed = keys if len(keys) == len(value) else [(source.line(*steps), str(k)) for k in value]
    for key, (old, new) in zip(placed, value.items(), strict=True):
        what = f"column {name}: recode"
        code = typed_at(old, type_, source, steps, f"{what} of", key=key)
        if code in found:
            raise ContractError(f"{source.path}:{key[0]}, {what} of {code!r} is stated twice.")
        found[code] = typed_at(new, type_, source, (*steps, key[1]), what)
    if len(found) != max(len(keys), len(value)):
        raise ContractError(f"{source.where(*steps)}, column {name}: recode states a code twice.")
    return found


def _kind(value: Any, kind: type, example: str, what: str, source: Source, steps: Steps) -> None:
    if not isinstance(value, kind):
        raise ContractError(
            f"{source.where(*steps)}, {what} is {value!r}; write it like {example}."
        )
