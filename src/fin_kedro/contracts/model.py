"""The contract as an object: its columns by role, rules between them, its digest. No engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fin_kedro.contracts.column import TIME, Column, ContractError, Scalar

__all__ = ["ROLES", "SIGNS", "TYPES", "Column", "Comparison", "Contract", "ContractError", "Scalar"]

TYPES = ("integer", "number", "string", "boolean", "date", "timestamp")
ROLES = ("id", "time", "target", "feature", "protected", "ignored")
SIGNS = ("<=", "<", ">=", ">", "==", "!=")


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
    def inputs(self) -> list[Column]:
        """What a model needs of a row: the features, and the time that an age is counted at."""
        counted = any(c.is_age and c.age_at == TIME for c in self.features)
        return [*self.features, *(self.by_role("time") if counted else [])]

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
            "columns": [c.to_dict() for c in self.columns.values()],
        }
        # left out where there are none: contracts stored before say the same
        rules = [asdict(c) for c in self.comparisons]
        return {**content, "comparisons": rules} if rules else content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Contract:
        """Rebuild a contract from `to_dict`."""
        columns = {c["name"]: Column.from_dict(c) for c in content["columns"]}
        return cls(
            name=content["name"],
            version=content["version"],
            path=content["path"],
            event=content["event"],
            columns=columns,
            comparisons=tuple(Comparison(**c) for c in content.get("comparisons", [])),
        )
