"""Values that a contract states, converted once to the type of their column."""

from __future__ import annotations

import math
import re
from typing import Any

from fin_kedro.contracts.column import ContractError, Scalar, moment, plain_text
from fin_kedro.contracts.source import Source

_INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


class _OtherTypeError(ValueError):
    """A value that is not of its column's type; the text is what is wrong, and the way out."""


def typed(value: Any, type_: str, *, written: str | None = None) -> Scalar:
    """Return a value of the contract as one of the column's type.

    What can only be meant one way is converted (``"1"`` on an integer column, ``1`` on one of
    texts); anything else is refused, such as YAML's false where NO was written.

    Args:
        value: what YAML made of it.
        type_: the column's type.
        written: the characters in the file.
    """
    if value is None:
        raise _OtherTypeError("nothing stands there; write a value, or take the line away")
    if isinstance(value, dict | list):
        raise _OtherTypeError(f"it is a {type(value).__name__}; write one value")
    made = _MADE[type_](value, str(value) if written is None else written)
    if made is None:
        raise _OtherTypeError(_hint(value, type_, str(value) if written is None else written))
    return made


def typed_at(
    value: Any,
    type_: str,
    source: Source,
    steps: tuple[Any, ...],
    what: str,
    *,
    key: tuple[int, str] | None = None,
) -> Scalar:
    """Convert the value that stands at a place of the file (or as a name there: its ``key``).

    Raises:
        ContractError: it is of another type; names file and line, the value, and the way out.
    """
    written = key[1] if key else source.written(*steps)
    try:
        return typed(value, type_, written=written)
    except _OtherTypeError as error:
        where = f"{source.path}:{key[0]}" if key else source.where(*steps)
        raise ContractError(
            f"{where}, {what} is {value!r}, and the column is of type {type_}: {error}."
        ) from error


def _text(value: Any, written: str) -> str | None:
    if isinstance(value, str):
        return plain_text(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return written if whole and written == str(value) else None  # 012 is 10 in YAML: not meant


def _integer(value: Any, _: str) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = int(value) if _INTEGER.fullmatch(value) and len(value) < 20 else None
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _number(value: Any, _: str) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        value = int(value) if _INTEGER.fullmatch(value) and len(value) < 20 else float(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _boolean(value: Any, _: str) -> bool | None:
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _date(value: Any, _: str) -> str | None:
    return value if isinstance(value, str) and moment(value, "date") else None


def _timestamp(value: Any, _: str) -> str | None:
    return value if isinstance(value, str) and moment(value, "timestamp") else None


_MADE: dict[str, Any] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}


def _hint(value: Any, type_: str, written: str) -> str:
    if type_ == "string":
        kind = "a truth value" if isinstance(value, bool) else "a number"
        return f"YAML reads {written} as {kind} ({value}); write it in quotes: '{written}'"
    if isinstance(value, bool):
        return f"YAML reads {written} as a truth value; write the value itself"
    return {
        "integer": "write a whole number of at most 63 bits, without quotes",
        "number": "write a finite number, without quotes",
        "boolean": "write true or false",
        "date": "write it like 2026-11-30",
        "timestamp": "write it like 2026-11-30T10:00:00Z",
    }[type_]
