"""What parameters are made of: a strict section, and the kinds of values that stand in one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

# What JSON's own words for a type cannot say, a value says here (`fin_kedro.parameters.words`).
SAID = "said"


class Section(pydantic.BaseModel):
    """A section of conf: no unknown name, and no value is turned into another type."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )


def checked(said: str, check: Callable[[Any], object]) -> Any:
    """A value that `check` accepts without ValueError; `said` is what is allowed, in words."""

    def validate(value: Any) -> Any:
        check(value)
        return value

    return Annotated[Any, pydantic.PlainValidator(validate), pydantic.WithJsonSchema({SAID: said})]


def as_day(value: Any) -> date:
    """The day that conf names, as a date or as text; ValueError where it is none."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("it is no day")
    return date.fromisoformat(value)


def _moment(value: Any) -> None:
    if not isinstance(value, date):
        datetime.fromisoformat(value if isinstance(value, str) else "")


def _version(value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if not whole and not (isinstance(value, str) and value):
        raise ValueError("it is no version")


def _edges(value: Any) -> None:
    numbers = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value
    )
    if not numbers or not value or sorted(set(value)) != value:
        raise ValueError("these are no edges")


# How a service calls its rows and outcomes.
Word = Literal["row", "rows", "bad", "accept", "refuse"]

Day = checked("a day, such as 2026-05-01", as_day)
Moment = checked("a date or a moment, such as 2026-05-01", _moment)
Version = checked("the number of a registered version, or its name", _version)
Edges = checked("a list of numbers, each above the one before", _edges)

Text = Annotated[str, Field(min_length=1)]
Named = Annotated[
    str,
    Field(pattern=r"^\w+(\.\w+)*:\w+$", json_schema_extra={SAID: "package.module:name"}),
]
Share = Annotated[float, Field(ge=0, le=1)]
PartShare = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
