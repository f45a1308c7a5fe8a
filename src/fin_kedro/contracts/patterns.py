"""A contract's `pattern`, in words that every engine reads alike.

The standard means regular expressions of ECMAScript. DuckDB (RE2), Spark (Java) and pydantic (Rust)
each read a few signs their own way: `$`, `.`, `\\d`, `\\w`, `\\s`, and what stands in a class. So a
pattern is taken apart and written again without them, and what one of the engines does not have
is refused. None of it can take longer than a constant time a character in a request.
"""

from __future__ import annotations

import functools
import re

from pydantic_core import SchemaError, SchemaValidator, core_schema

_CLASSES = {
    "d": "0-9",
    "w": "0-9A-Z_a-z",
    "s": r"\x{9}-\x{D}\x{20}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}\x{FEFF}",
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_ANY = r"[^\x{A}\x{D}\x{2028}\x{2029}]"  # the dot of ECMAScript
_ALIKE = {".": _ANY, "$": r"\z", "^": "^", "|": "|", ")": ")"}
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")
_RANGE = re.compile(r"-[^\]]")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})")
MOST_REPEATS = 1000  # of RE2
# Formats of texts that a pattern can hold; the others are refused by name.
FORMATS = {
    "uuid": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "email": r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$",
    "ipv4": r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.|$)){4}$",
    "hostname": r"^[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
    r"(\.[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?)*$",
}


class PatternError(ValueError):
    """A pattern that not every engine would read alike; says which part."""


@functools.lru_cache(maxsize=1024)
def common_pattern(pattern: str) -> str:
    """Return a pattern of ECMAScript written for RE2, Java and Rust alike.

    It is found anywhere in a text, as in JSON schema; `^` and `$` bind it to the ends.

    Raises:
        PatternError: it looks around, refers back, or is no pattern.
    """
    written = _Reader(pattern).read()
    try:
        _validator(written)
    except SchemaError as error:
        raise PatternError("it is no regular expression, or too large a one") from error
    return written


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text; in time linear in its length."""
    return _validator(common_pattern(pattern)).isinstance_python(text)


@functools.lru_cache(maxsize=1024)
def _validator(written: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=written))


class _Reader:
    """Reads a pattern from left to right and writes it again."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.place = 0

    def read(self) -> str:
        parts = []
        while self.place < len(self.pattern):
            parts.append(self._part())
        return "".join(parts)

    def _part(self) -> str:
        sign = self._next()
        readers = {"[": self._class, "(": self._group, "\\": self._escape, "{": self._count}
        if sign in readers:
            return readers[sign]()
        if sign in "*+?":
            return self._repeat(sign)
        return _ALIKE.get(sign) or _literal(sign)

    def _next(self) -> str:
        if self.place >= len(self.pattern):
            raise PatternError("it ends too early")
        self.place += 1
        return self.pattern[self.place - 1]

    def _take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.place)
        self.place += len(text) if found else 0
        return found

    def _group(self) -> str:
        if self._take("?:") or not self._take("?"):
            return "(?:"
        raise PatternError(
            f"'(?{self.pattern[self.place : self.place + 2]}' looks around or names a group; only "
            "(...) and (?:...) are read alike everywhere"
        )

    def _repeat(self, sign: str) -> str:
        self._take("?")  # a lazy repeat finds the same texts
        return sign

    def _count(self) -> str:
        found = _COUNT.match(self.pattern, self.place - 1)
        if not found:
            raise PatternError(r"'{' opens no count; write \{ for the sign itself")
        if any(int(n) > MOST_REPEATS for n in found.group(1, 3) if n):
            raise PatternError(f"a count is above {MOST_REPEATS}")
        self.place = found.end()
        return self._repeat(found.group())

    def _escape(self) -> str:
        sign = self._next()
        if sign.lower() in _CLASSES:
            return f"[{'^' if sign.isupper() else ''}{_CLASSES[sign.lower()]}]"
        return _literal(self._character(sign))

    def _character(self, sign: str) -> str:
        code = _CODE.match(self.pattern, self.place - 1)
        if code:
            self.place = code.end()
            number = int(code.group(1) or code.group(2), 16)
            if 0xD800 <= number < 0xE000:
                raise PatternError("half of a pair of codes is no character")
            return chr(number)
        if sign in _CONTROLS and not (sign == "0" and self.pattern[self.place :][:1].isdigit()):
            return _CONTROLS[sign]
        if sign.isalnum():
            raise PatternError(f"'\\{sign}' is not read alike everywhere")
        return sign

    def _class(self) -> str:
        opening = "[^" if self._take("^") else "["
        parts: list[str] = []
        while not self._take("]"):
            first = self._member()
            single = len(first) == 1
            if single and _RANGE.match(self.pattern, self.place):
                self._next()
                parts.append(self._range(first, self._member()))
            else:
                parts.append(_literal(first) if single else first)
        if not parts:
            raise PatternError("a class is empty")
        return f"{opening}{''.join(parts)}]"

    def _range(self, first: str, last: str) -> str:
        if len(last) != 1 or last < first:
            raise PatternError(f"the range {first}-{last} has no order")
        return f"{_literal(first)}-{_literal(last)}"

    def _member(self) -> str:
        """One character of a class, or the characters that a sign such as \\d stands for."""
        sign = self._next()
        if sign != "\\":
            return sign
        sign = self._next()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign.lower() in _CLASSES:
            raise PatternError(f"'\\{sign}' inside a class is not read alike everywhere")
        return "\b" if sign == "b" else self._character(sign)


def _literal(character: str) -> str:
    """Letters and digits stand for themselves; all else by its number, which no engine mistakes."""
    plain = character.isascii() and character.isalnum()
    return character if plain else rf"\x{{{ord(character):X}}}"
