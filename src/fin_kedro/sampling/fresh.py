"""Values that come from a column's contract alone: ids, texts of a pattern, words, levels."""

from __future__ import annotations

import importlib
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fin_kedro.contracts.column import Column
from fin_kedro.contracts.model import ContractError

_parser: Any = importlib.import_module("re._parser")  # Python's own; there is no public one

LONGEST = 8  # repeats of a part that a pattern leaves open
TRIES = 200  # texts of a pattern, until one keeps the column's other rules
LETTERS = string.ascii_lowercase + string.digits
_CLASSES = {"CATEGORY_DIGIT": string.digits, "CATEGORY_SPACE": " "}
Random = np.random.Generator


def fresh_ids(column: Column, rows: int, rng: Random, first: int = 0) -> list[Any]:
    """New identifiers, each of them once, in an order that tells nothing.

    Args:
        column: the id, or another column without repeats.
        rows: how many.
        rng: source of chance.
        first: how many have been made before.

    Raises:
        ContractError: the column's rules leave no room for so many.
    """
    numbers = rng.permutation(rows) + first
    if column.type == "integer":
        step = int(column.multiple_of or 1)
        low = int(column.minimum) if column.minimum is not None else 1
        low += column.exclusive_minimum is not None and int(column.exclusive_minimum) + 1 - low
        return [int(n) * step + -(-low // step) * step for n in numbers]
    if column.type != "string":
        raise ContractError(f"column {column.name}: no new {column.type} can be made for each row.")
    if column.pattern is None:
        return [_counted(column, int(n), rows + first) for n in numbers]
    found: dict[str, None] = {}
    for _ in range(50):
        found |= dict.fromkeys(fresh_texts(column, rows, rng))
        if len(found) >= rows:
            return list(found)[:rows]
    raise ContractError(
        f"column {column.name}: only {len(found)} different texts of {column.pattern} were found "
        f"for {rows} rows; ask for fewer --rows, or widen the pattern."
    )


def _counted(column: Column, number: int, most: int) -> str:
    width = max(len(str(most)), min(column.max_length or 7, 7) - 1, (column.min_length or 0) - 1)
    return f"{column.name[:1].upper() or 'N'}{number:0{width}d}"


def fresh_texts(column: Column, rows: int, rng: Random) -> list[str]:
    """Texts that keep the rules of a column: its examples, its pattern, or words.

    Raises:
        ContractError: none was found; says what to state.
    """
    if column.pattern is None:
        return _words(column, rows, rng)
    parts = _parser.parse(column.pattern)
    found: list[str] = []
    for _ in range(TRIES):
        made = (_text(parts, rng) for _ in range(rows - len(found)))
        found += [text for text in made if column.problem(text) is None]
        if len(found) >= rows:
            return found
    raise ContractError(
        f"column {column.name}: no text was found that keeps {column.allowed_text()}; list some "
        "under enum or take an example."
    )


def _words(column: Column, rows: int, rng: Random) -> list[str]:
    low = column.min_length or 1
    high = max(low, min(column.max_length or low + 6, low + 6))
    if column.example is not None and column.problem(column.example) is None:
        return [str(column.example)] * rows
    letters = list(string.ascii_lowercase)
    sizes = rng.integers(max(low, min(4, high)), high + 1, rows)
    return ["".join(rng.choice(letters, size)) for size in sizes]


def _text(parts: Any, rng: Random) -> str:
    return "".join(_made(str(sign), value, rng) for sign, value in parts)


def _made(sign: str, value: Any, rng: Random) -> str:
    """One part of a pattern as a text that it takes."""
    makers: dict[str, Callable[[], str]] = {
        "LITERAL": lambda: chr(value),
        "NOT_LITERAL": lambda: _one([s for s in LETTERS if s != chr(value)], rng),
        "ANY": lambda: _one(LETTERS, rng),
        "IN": lambda: _of_class(value, rng),
        "BRANCH": lambda: _text(value[1][rng.integers(len(value[1]))], rng),
        "SUBPATTERN": lambda: _text(value[3], rng),
        "AT": lambda: "",
    }
    if sign in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, part = value
        most = min(int(high), max(low, LONGEST))
        return "".join(_text(part, rng) for _ in range(rng.integers(low, most + 1)))
    return makers.get(sign, lambda: "")()


def _of_class(items: Any, rng: Random) -> str:
    named = [(str(sign), value) for sign, value in items]
    signs = "".join(_members(named))
    if any(sign == "NEGATE" for sign, _ in named):
        signs = "".join(s for s in LETTERS + string.ascii_uppercase + "-_" if s not in signs)
    return _one(signs or LETTERS, rng)


def _members(named: list[tuple[str, Any]]) -> Iterator[str]:
    for sign, value in named:
        if sign == "LITERAL":
            yield chr(value)
        elif sign == "RANGE":
            yield "".join(map(chr, range(value[0], min(value[1], value[0] + 127) + 1)))
        elif sign == "CATEGORY":
            yield _CLASSES.get(str(value), LETTERS)


def _one(signs: Any, rng: Random) -> str:
    return str(signs[int(rng.integers(len(signs)))])


def is_like_an_id(column: Column) -> bool:
    """Whether every row has a value of its own."""
    return column.role == "id" or column.unique


def fresh_levels(column: Column, count: int) -> list[str]:
    """Names for levels whose own may not be told."""
    stem = re.sub(r"\W+", "_", column.name) or "level"
    return [f"{stem}_{n + 1}" for n in range(count)]
