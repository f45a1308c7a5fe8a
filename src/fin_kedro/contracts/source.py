"""The YAML text of a contract, with the line of each of its parts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fin_kedro.contracts.column import ContractError

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster with libyaml
_DATE = "tag:yaml.org,2002:timestamp"
_COMPARE = "Compare it with conf/base/contracts/credit_applications.odcs.yaml."


class _Loader(_BASE):  # type: ignore[misc]
    """A safe loader to which a date is a text, as to the standard's JSON schema and its lint."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _DATE]
    for first, found in _BASE.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Source:
    """A YAML file as plain data (``data``), and where each part of it stands."""

    path: Path
    data: dict[str, Any]
    node: Any

    @classmethod
    def parse(cls, text: str, path: Path) -> Source:
        """Read a text.

        Raises:
            ContractError: it is no YAML mapping, or states a name twice; names the line.
        """
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = None if node is None else loader.construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ContractError(
                f"{path} is no Open Data Contract Standard file: {error}. {_COMPARE}"
            ) from error
        finally:
            loader.dispose()
        if not isinstance(data, dict):
            raise ContractError(
                f"{path} is no Open Data Contract Standard file: it holds no names with values. "
                f"{_COMPARE}"
            )
        _refuse_twice(node, path, set())
        return cls(path, data, node)

    def line(self, *steps: Any) -> int:
        """Line of a part, by names and places; of its nearest surrounding where it is not there."""
        node, line = self.node, 1
        for step in steps:
            found = _below(node, step)
            if found is None:
                continue
            line, node = found
        return line

    def where(self, *steps: Any) -> str:
        """File and line of a part, for error messages."""
        return f"{self.path}:{self.line(*steps)}"

    def written(self, *steps: Any) -> str | None:
        """Return the characters of a scalar in the file, or None where there is none."""
        node = self.node
        for step in steps:
            found = _below(node, step)
            if found is None:
                return None
            node = found[1]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def keys(self, *steps: Any) -> list[tuple[int, str]]:
        """Line and characters of each name of a mapping, in the order of the file."""
        node = self.node
        for step in steps:
            found = _below(node, step)
            node = found[1] if found else None
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return [(key.start_mark.line + 1, str(key.value)) for key, _ in pairs]


def near(value: str, allowed: Iterable[Any]) -> str:
    """Say what is allowed, and which of it ``value`` may have meant."""
    names = [str(name) for name in allowed]
    close = difflib.get_close_matches(value, names, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"; allowed are {', '.join(names)}.{hint}"


def _below(node: Any, step: Any) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None


def _refuse_twice(node: Any, path: Path, seen: set[int]) -> None:
    """YAML keeps the last of two equal names and says nothing; a text may refer to itself."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = (key.tag, str(key.value))
            if name in lines:
                raise ContractError(
                    f"{path}:{line}: {key.value!r} is stated twice, first in line {lines[name]}. "
                    "Keep one of each."
                )
            lines[name] = line
            _refuse_twice(value, path, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(item, path, seen)
