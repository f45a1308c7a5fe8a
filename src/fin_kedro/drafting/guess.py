"""A drafted column and a drafted table, with the reasons and questions of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fin_kedro.drafting.profile import Profile
from fin_kedro.drafting.table_profile import TableProfile


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One column as it will stand in the contract, with its reason and its open questions."""

    profile: Profile
    role: str
    reason: str
    questions: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Any, ...] = ()
    missing_codes: tuple[Any, ...] = ()
    classification: str | None = None
    example: Any = None
    age_at: str | None = None

    @property
    def name(self) -> str:
        """The column's name."""
        return self.profile.name

    @property
    def required(self) -> bool:
        """Whether no row misses it; a code that means missing is a value of the file."""
        return self.profile.missing == 0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A whole table as it will stand in the contract.

    ``event`` is the bad value of the target; ``numbered`` that no column is an id.
    """

    table: TableProfile
    columns: Mapping[str, Guess]
    event: Any
    numbered: bool = False

    def by_role(self, role: str) -> list[Guess]:
        """Columns of one role."""
        return [guess for guess in self.columns.values() if guess.role == role]

    @property
    def target(self) -> Guess:
        """The outcome."""
        return self.by_role("target")[0]


def known_levels(profile: Profile) -> list[Any]:
    """The most frequent values of a column, without those that mean missing."""
    codes = profile.sure_codes
    return [value for value, _ in profile.levels if value not in codes]
