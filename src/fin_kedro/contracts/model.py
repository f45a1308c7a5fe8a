"""The contract as an object: columns with type, rule, role, sign, reason. Standard library only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TYPES = ("integer", "number", "string", "boolean", "date", "timestamp")
ROLES = ("id", "time", "target", "feature", "protected", "ignored")
Scalar = int | float | str | bool
SIGNS = ("<=", "<", ">=", ">", "==", "!=")


class ContractError(ValueError):
    """A contract, or data that claims to follow it, is broken."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a contract.

    ``allowed`` lists the documented values (empty: any value in the range), ``recode`` maps
    undocumented codes onto documented ones, ``missing_codes`` are values that mean "missing".
    ``sign`` is the expected effect on the probability of the bad outcome: -1, 0 (none), +1.
    ``line`` is where the column stands in the contract file (0 when unknown).
    """

    name: str
    type: str
    role: str = "ignored"
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
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

    @property
    def is_number(self) -> bool:
        """Whether values are numeric (an integer, a number or a boolean)."""
        return self.type in ("integer", "number", "boolean")

    @property
    def codes(self) -> tuple[Scalar, ...]:
        """Every raw value listed by name: documented, to be recoded, or meaning missing."""
        return (*self.allowed, *self.recode, *self.missing_codes)

    def allowed_text(self) -> str:
        """Say in words which raw values are allowed, for error messages."""
        if self.allowed:
            text = ", ".join(_value_text(v, self.labels) for v in self.allowed)
        elif self.minimum is not None or self.maximum is not None:
            text = _range_text(self.minimum, self.maximum)
        else:
            text = f"any {self.type}"
        if self.recode:
            text += "; " + ", ".join(f"{k} (read as {v})" for k, v in self.recode.items())
        if self.missing_codes:
            text += "; " + ", ".join(str(v) for v in self.missing_codes) + " (means missing)"
        if not self.required:
            text += "; may be missing"
        return f"{text} [{self.unit}]" if self.unit else text

    def problem(self, value: object) -> str | None:
        """Say what is wrong with one raw value, or None when the contract allows it."""
        if value is None:
            return f"{self.name} is required" if self.required else None
        if not _is_of_type(value, self.type):
            return _type_problem(value, self.type)
        if value in self.codes:
            return None
        return f"{value!r} is not an allowed value" if self.allowed else self._outside(value)

    def _outside(self, value: Any) -> str | None:
        if self.minimum is not None and value < self.minimum:
            return f"{value!r} is below {_number_text(self.minimum)}"
        if self.maximum is not None and value > self.maximum:
            return f"{value!r} is above {_number_text(self.maximum)}"
        return None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A rule between two columns of a row, such as ``known_us >= event_us``."""

    left: str
    sign: str
    right: str

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A dataset's contract. ``columns`` keeps the order of the file.

    ``comparisons`` hold in every row in which both columns have a value.
    """

    name: str
    version: str
    columns: Mapping[str, Column]
    path: str = ""
    event: Scalar = 1
    comparisons: tuple[Comparison, ...] = ()

    def by_role(self, role: str) -> list[Column]:
        """Columns of one role, in the order of the file."""
        return [c for c in self.columns.values() if c.role == role]

    def _one(self, role: str) -> Column:
        found = self.by_role(role)
        if len(found) != 1:
            raise ContractError(
                f"contract {self.name}: {len(found)} columns have role {role!r}, exactly one must. "
                f"Set the custom property 'role' of one column to {role!r} in {self.path}."
            )
        return found[0]

    @property
    def id(self) -> Column:
        """The column that identifies a row."""
        return self._one("id")

    @property
    def target(self) -> Column:
        """The outcome to be predicted; ``event`` is its bad value."""
        return self._one("target")

    @property
    def has_target(self) -> bool:
        """Whether there is an outcome; a table of events or of labels has none."""
        return bool(self.by_role("target"))

    @property
    def time(self) -> Column | None:
        """The column that dates a row, if there is one."""
        return self._one("time") if self.by_role("time") else None

    @property
    def features(self) -> list[Column]:
        """The only columns a model may see."""
        return self.by_role("feature")

    @property
    def protected(self) -> list[Column]:
        """Protected attributes: kept to measure fairness, never a feature."""
        return self.by_role("protected")

    @property
    def digest(self) -> str:
        """Hash of the contract's meaning (sha256, hex); line numbers and path stand apart."""
        content = self.to_dict()
        for column in content["columns"]:
            column.pop("line")
        content.pop("path")
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def where(self, name: str) -> str:
        """File and line of a column, for error messages."""
        line = self.columns[name].line if name in self.columns else 0
        return f"{self.path}:{line}" if line else self.path

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` gives the same contract back."""
        content = {
            "name": self.name,
            "version": self.version,
            "path": self.path,
            "event": self.event,
            "columns": [_column_to_dict(c) for c in self.columns.values()],
        }
        # left out where there are none: contracts stored before say the same
        rules = [asdict(c) for c in self.comparisons]
        return {**content, "comparisons": rules} if rules else content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Contract:
        """Rebuild a contract from `to_dict`."""
        columns = {c["name"]: _column_from_dict(c) for c in content["columns"]}
        return cls(
            name=content["name"],
            version=content["version"],
            path=content["path"],
            event=content["event"],
            columns=columns,
            comparisons=tuple(Comparison(**c) for c in content.get("comparisons", [])),
        )


def _column_to_dict(column: Column) -> dict[str, Any]:
    """JSON has string keys only, so mappings keyed by codes become lists of pairs."""
    content = asdict(column)
    for key in ("labels", "recode"):
        content[key] = [[k, v] for k, v in content[key].items()]
    for key in ("allowed", "missing_codes"):
        content[key] = list(content[key])
    return content


def _column_from_dict(content: Mapping[str, Any]) -> Column:
    mappings = {k: dict(map(tuple, content[k])) for k in ("labels", "recode")}
    tuples = {k: tuple(content[k]) for k in ("allowed", "missing_codes")}
    return Column(**{**content, **mappings, **tuples})


def _value_text(value: Scalar, labels: Mapping[Scalar, str]) -> str:
    return f"{value} ({labels[value]})" if labels.get(value) else str(value)


def _range_text(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {_number_text(high)}"
    low_text = _number_text(low)
    return f"at least {low_text}" if high is None else f"{low_text} to {_number_text(high)}"


def _number_text(value: float | None) -> str:
    """Digits as people write them: 10000000, not 1e+07."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)  # type: ignore[arg-type]


def _type_problem(value: object, type_: str) -> str:
    if type_ == "integer" and isinstance(value, float) and value.is_integer():
        return f"{value} must be written as an integer, without a decimal point"
    return f"{value!r} is not of type {type_}"


def _is_of_type(value: object, type_: str) -> bool:
    """Whether a JSON value is of a contract type; True is no number, 1.0 is no integer."""
    if type_ == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if type_ == "integer":
        return isinstance(value, int)
    if type_ == "number":
        return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, str)
