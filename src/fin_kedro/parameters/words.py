"""What a schema allows, in words: for refusals and for docs/parameters.md."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pydantic

from fin_kedro.parameters.values import SAID

Node = Mapping[str, Any]


@cache
def schema_of(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The JSON schema of a section."""
    return model.model_json_schema()


def meant(given: str, allowed: Iterable[str]) -> str:
    """ "; did you mean 'x'?" where a name is near, else nothing."""
    near = difflib.get_close_matches(given, [str(name) for name in allowed], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def problem_words(
    model: type[pydantic.BaseModel], problem: Mapping[str, Any]
) -> tuple[tuple[str | int, ...], str]:
    """The path and the words of one thing that pydantic found wrong, to be said after the path."""
    path, kind = tuple(problem["loc"]), problem["type"]
    if kind == "value_error":
        said = str(problem["msg"]).removeprefix("Value error, ")
        node = _find(schema_of(model), path)
        if any(SAID in choice for choice in _choices(schema_of(model), node)):  # one value
            said = f"is {problem['input']!r}. Allowed: {allowed_words(model, node)}"
        return path, said
    if path[-1:] == ("[key]",):
        *above, name = path[:-1]
        whole = schema_of(model)
        found = _choices(whole, _find(whole, above))
        names: Node = next((n["propertyNames"] for n in found if "propertyNames" in n), {})
        allowed = resolved(model, names).get("enum", ())
        return path[:-1], _unknown(str(name), allowed) if allowed else (
            f"is unknown. Allowed: {allowed_words(model, names)}"
        )
    if kind == "extra_forbidden":
        return path, _unknown(str(path[-1]), _names(model, path[:-1]))
    node = _find(schema_of(model), path)
    if kind == "missing":
        return path, f"is missing. Needed: {allowed_words(model, node)}{_described(node)}"
    return path, f"is {problem['input']!r}. Allowed: {allowed_words(model, node)}"


def _unknown(name: str, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    near = meant(name, allowed)
    return f"is unknown{near or '.'} Allowed: {', '.join(allowed) or 'nothing'}"


def _described(node: Node) -> str:
    said = str(node.get("description", "")).rstrip(".")
    return f" ({said})" if said else ""


def allowed_words(model: type[pydantic.BaseModel], node: Node) -> str:
    """What may stand at a place of a schema."""
    node = resolved(model, node)
    return _special(model, node) or _by_type(model, node)


def _special(model: type[pydantic.BaseModel], node: Node) -> str | None:
    """What is allowed, where that is no range of a type."""
    if "anyOf" in node:
        return " or ".join(allowed_words(model, other) for other in node["anyOf"])
    if "discriminator" in node:
        named = node["discriminator"]
        return f"a section whose {named['propertyName']} is one of {', '.join(named['mapping'])}"
    if "enum" in node or "const" in node:
        return " or ".join(map(str, node.get("enum", [node.get("const")])))
    said = "a day, such as 2026-05-01" if node.get("format") == "date" else None
    return node.get(SAID, said)


def _by_type(model: type[pydantic.BaseModel], node: Node) -> str:
    kind = str(node.get("type"))
    if kind in ("integer", "number"):
        return _number(node, "a whole number" if kind == "integer" else "a number")
    if kind == "array" and "prefixItems" in node:
        items = [allowed_words(model, item) for item in node["prefixItems"]]
        return f"a list of {len(items)}: {'; '.join(items)}"
    if kind == "array":
        filled = " of one or more" if node.get("minItems") else ""
        return f"a list{filled}, each {allowed_words(model, node.get('items', {}))}"
    names = ", ".join(node.get("properties", {}))
    section = f"a section with {names}" if names else "settings by name"
    plain = {"string": "text", "boolean": "true or false", "null": "null", "object": section}
    return plain.get(kind, "a value")


def _number(node: Node, words: str) -> str:
    """A number with its range."""
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{words}, {low:g} to {_plain(high)}"
    limits = [
        f"{said} {_plain(value)}"
        for said, value in (
            ("at least", low), ("above", above), ("at most", high), ("below", below)
        )
        if value is not None
    ]  # fmt: skip
    return f"{words} {', '.join(limits)}" if limits else words


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _names(model: type[pydantic.BaseModel], path: Sequence[str | int]) -> list[str]:
    whole = schema_of(model)
    found = _choices(whole, _find(whole, path))
    return [name for node in found for name in node.get("properties", {})]


def resolved(model: type[pydantic.BaseModel], node: Node) -> Node:
    """A node itself, where it only names another; what stands beside the name is kept."""
    return _resolved(schema_of(model), node)


def _resolved(whole: Node, node: Node) -> Node:
    while "$ref" in node:
        beside = {name: value for name, value in node.items() if name != "$ref"}
        node = {**whole["$defs"][str(node["$ref"]).rpartition("/")[2]], **beside}
    return node


def _find(whole: Node, path: Iterable[str | int]) -> Node:
    """The node at a path; steps that the schema does not have (tags of unions) are passed over."""
    node: Node = whole
    for step in path:
        for choice in _choices(whole, node):
            found = _step(choice, step)
            if found is not None:
                node = found
                break
    return node


def _choices(whole: Node, node: Node) -> list[Node]:
    """What a node may be; null is none of it."""
    node = _resolved(whole, node)
    found = [
        _resolved(whole, other)
        for other in node.get("anyOf", node.get("oneOf", []))
        if other.get("type") != "null"
    ]
    return found or [node]


def _step(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        return node.get("items")  # type: ignore[no-any-return]
    if step in node.get("properties", {}):
        return node["properties"][step]  # type: ignore[no-any-return]
    by_pattern = list(node.get("patternProperties", {}).values())
    more = by_pattern[0] if by_pattern else node.get("additionalProperties")
    return more if isinstance(more, Mapping) else None
