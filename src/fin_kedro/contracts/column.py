"""One column of a contract: its type, its rule, and one raw value judged by them."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from fin_kedro.contracts.patterns import matches

Scalar = int | float | str | bool
MOMENTS = ("date", "timestamp")  # types; of a feature the model sees an age
TIME = "time"  # an age is counted at the row's time
# A quotient of two doubles that stand for decimals is off by less than this share of itself.
MULTIPLE_TOLERANCE = 4.5e-16
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


BLANKS = " \t\n\r\v\f"  # what is taken off both ends of a text, in tables and requests alike


def plain_text(value: str) -> str:
    """A text as the models know it: in Unicode's composed form (NFC), without blanks around it.

    The same word in another form is the same word: in training, in batches and in requests.
    """
    return unicodedata.normalize("NFC", value).strip(BLANKS)


class ContractError(ValueError):
    """A contract, or data that claims to follow it, is broken."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a contract.

    ``allowed`` lists the documented values (empty: any value under the rules), ``recode`` maps
    undocumented codes onto documented ones, ``missing_codes`` are values that mean "missing".
    Every one of them is of the column's type; dates and timestamps are texts in ISO form.
    ``sign`` is the expected effect on the probability of the bad outcome: -1, 0 (none), +1.
    ``pattern`` is a regular expression found anywhere in a text, lengths count characters.
    ``unique`` binds the rows of a table, as the id does; a request has no other rows.
    ``physical_name`` is what a delivered file calls it, where that is another name.
    ``age_at`` is what the age of a date or timestamp is counted at, if it is a feature: ``time``
    (the row's) or a moment in ISO form.
    ``made`` is how an id is made that no file has (`made_ids`), ``made_from`` of which columns.
    ``line`` is where the column stands in the contract file (0 when unknown).
    """

    name: str
    type: str
    role: str = "ignored"
    required: bool = True
    minimum: float | str | None = None
    maximum: float | str | None = None
    allowed: tuple[Scalar, ...] = ()
    labels: Mapping[Scalar, str] = field(default_factory=dict)
    nominal: bool = False
    recode: Mapping[Scalar, Scalar] = field(default_factory=dict)
    missing_codes: tuple[Scalar, ...] = ()
    sign: int = 0
    reason: str = ""
    reason_code: str = ""
    description: str = ""
    unit: str | None = None
    pii: str = "none"
    example: Scalar | None = None
    line: int = 0
    exclusive_minimum: float | str | None = None
    exclusive_maximum: float | str | None = None
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    unique: bool = False
    physical_name: str = ""
    age_at: str | None = None
    made: str = ""
    made_from: tuple[str, ...] = ()

    @property
    def delivered_as(self) -> str:
        """The name of the column in a delivered file."""
        return self.physical_name or self.name

    @property
    def is_number(self) -> bool:
        """Whether values are numeric (an integer, a number or a boolean)."""
        return self.type in ("integer", "number", "boolean")

    @property
    def is_age(self) -> bool:
        """Whether the model sees the age of this column: it is a feature, and a moment."""
        return self.role == "feature" and self.type in MOMENTS

    @property
    def codes(self) -> tuple[Scalar, ...]:
        """Every raw value listed by name: documented, to be recoded, or meaning missing."""
        return (*self.allowed, *self.recode, *self.missing_codes)

    @property
    def empty_is_missing(self) -> bool:
        """Whether an empty text is a missing value, and not a code that the contract lists."""
        return self.type == "string" and "" not in self.missing_codes

    def allowed_text(self) -> str:
        """Say in words which raw values are allowed, for error messages."""
        text = self._allowed_values() if self.allowed else self._rules_text()
        if self.recode:
            text += "; " + ", ".join(f"{k} (read as {v})" for k, v in self.recode.items())
        if self.missing_codes:
            text += "; " + ", ".join(str(v) for v in self.missing_codes) + " (means missing)"
        if not self.required:
            text += "; may be missing"
        return f"{text} [{self.unit}]" if self.unit else text

    def problem(self, value: object) -> str | None:
        """Say what is wrong with one raw value, or None when the contract allows it."""
        if isinstance(value, str) and self.type == "string" and self.role != "id":
            value = plain_text(value)
        if value is None or (value == "" and self.empty_is_missing):
            return f"{self.name} is required" if self.required else None
        if not is_of_type(value, self.type):
            return _type_problem(value, self.type)
        if self._is_listed(value):
            return None
        return f"{value!r} is not an allowed value" if self.allowed else self.broken_rule(value)

    def _is_listed(self, value: Any) -> bool:
        if self.type in ("date", "timestamp"):  # one moment has many texts
            return moment(value, self.type) in [moment(str(c), self.type) for c in self.codes]
        return value in self.codes

    def broken_rule(self, value: Any) -> str | None:
        """Say which rule a value of the right type breaks; listed codes are not looked at."""
        bounds = (
            (self.minimum, "below", lambda v, b: v < b),
            (self.maximum, "above", lambda v, b: v > b),
            (self.exclusive_minimum, "not above", lambda v, b: v <= b),
            (self.exclusive_maximum, "not below", lambda v, b: v >= b),
        )
        for bound, word, breaks in bounds:
            if bound is not None and breaks(_ordered(value, self.type), _ordered(bound, self.type)):
                return f"{value!r} is {word} {_number_text(bound)}"
        if self.multiple_of is not None and not _is_multiple(value, self.multiple_of):
            return f"{value!r} is not a multiple of {_number_text(self.multiple_of)}"
        return self._broken_text(value)

    def _broken_text(self, value: Any) -> str | None:
        if self.min_length is not None and len(value) < self.min_length:
            return f"{value!r} is shorter than {self.min_length} characters"
        if self.max_length is not None and len(value) > self.max_length:
            return f"{value!r} is longer than {self.max_length} characters"
        if self.pattern is not None and not matches(self.pattern, value):
            return f"{value!r} does not match the pattern {self.pattern}"
        return None

    def _allowed_values(self) -> str:
        return ", ".join(_value_text(v, self.labels) for v in self.allowed)

    def _rules_text(self) -> str:
        texts = [_range_text(self.minimum, self.maximum)]
        further = {
            "above {}": self.exclusive_minimum,
            "below {}": self.exclusive_maximum,
            "a multiple of {}": self.multiple_of,
            "at least {} characters": self.min_length,
            "at most {} characters": self.max_length,
            "matching {}": self.pattern,
        }
        texts += [t.format(_number_text(v)) for t, v in further.items() if v is not None]
        return ", ".join(filter(None, texts)) or f"any {self.type}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` gives the same column back.

        JSON has string keys only, so mappings keyed by codes become lists of pairs. The younger
        rules are left out where they are not stated: contracts stored before say the same.
        """
        content = asdict(self)
        for key in ("labels", "recode"):
            content[key] = [[k, v] for k, v in content[key].items()]
        for key, default in _YOUNGER.items():
            if content[key] == default:
                del content[key]
        for key in _TUPLES & set(content):
            content[key] = list(content[key])
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Column:
        """Rebuild a column from `to_dict`."""
        mappings = {k: dict(map(tuple, content[k])) for k in ("labels", "recode")}
        tuples = {k: tuple(content[k]) for k in _TUPLES & set(content)}
        return cls(**{**content, **mappings, **tuples})


_TUPLES = {"allowed", "missing_codes", "made_from"}
_NAMES = [f.name for f in fields(Column)]
_YOUNGER = {
    f.name: f.default
    for f in fields(Column)[_NAMES.index("line") + 1 :]
    if f.default is not MISSING
}


def is_of_type(value: object, type_: str) -> bool:
    """Whether a JSON value is of a contract type; True is no number, 1.0 is no integer."""
    if type_ == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if type_ == "integer":
        return isinstance(value, int)
    if type_ == "number":
        return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if not isinstance(value, str):
        return False
    return type_ == "string" or moment(value, type_) is not None


def moment(text: str, type_: str) -> dt.datetime | None:
    """Return the moment that an ISO date or timestamp names, in UTC; None where it is none."""
    pattern = _DATE if type_ == "date" else _TIMESTAMP
    if not text.isascii() or not (pattern.fullmatch(text) or _DATE.fullmatch(text)):
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _ordered(value: Any, type_: str) -> Any:
    return moment(value, type_) if type_ in ("date", "timestamp") else value


def _is_multiple(value: Any, of: float) -> bool:
    """Exact for integers; for decimals as near as doubles tell them (as in a table)."""
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    try:
        quotient = value / of
    except OverflowError:
        return False
    rest = abs(math.fmod(quotient, 1)) if math.isfinite(quotient) else math.nan
    return min(rest, 1 - rest) <= MULTIPLE_TOLERANCE * abs(quotient)


def _value_text(value: Scalar, labels: Mapping[Scalar, str]) -> str:
    return f"{value} ({labels[value]})" if labels.get(value) else str(value)


def _range_text(low: float | str | None, high: float | str | None) -> str:
    if low is None:
        return "" if high is None else f"at most {_number_text(high)}"
    low_text = _number_text(low)
    return f"at least {low_text}" if high is None else f"{low_text} to {_number_text(high)}"


def _number_text(value: float | str | None) -> str:
    """Digits as people write them: 10000000, not 1e+07."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _type_problem(value: object, type_: str) -> str:
    if type_ == "integer" and isinstance(value, float) and value.is_integer():
        return f"{value} must be written as an integer, without a decimal point"
    if isinstance(value, str) and type_ == "date":
        return f"{value!r} is no date; write it like 2026-11-30"
    if isinstance(value, str) and type_ == "timestamp":
        return f"{value!r} is no timestamp; write it like 2026-11-30T10:00:00Z"
    return f"{value!r} is not of type {type_}"
