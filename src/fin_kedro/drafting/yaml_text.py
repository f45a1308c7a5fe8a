"""Values and comments as YAML text that can be read back as they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

WIDTH = 100
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: Any) -> str:
    """A value as YAML: texts in quotes, numbers so that YAML reads numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return '"' + "".join(_sign(s) for s in str(value)) + '"'


def _float(value: float) -> str:
    """YAML 1.1 wants a point before an exponent: 1.0e-05, else it is a text."""
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else text


def _sign(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign.isprintable():
        return sign
    code = ord(sign)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def key(name: str) -> str:
    """A name before a colon; in quotes where YAML would read something else, as in ``no: ...``."""
    return name if yaml.safe_load(name) == name else scalar(name)


def flow(value: Any) -> str:
    """Lists and mappings on one line, ``{a: [1, 2]}``; names of ours need no quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {flow(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment, broken into lines; whatever a column is called, it stays a comment."""
    start = " " * indent + "# "
    lines, line = [], ""
    for word in "".join(s if s.isprintable() else " " for s in text).split():
        if line and len(start) + len(line) + 1 + len(word) > WIDTH:
            lines.append(start + line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, start + line]


def questions(texts: Iterable[str], indent: int = 0) -> list[str]:
    """One line of ``# QUESTION:`` each (and more where it is long)."""
    return [line for text in texts for line in comment(f"QUESTION: {text}", indent)]
