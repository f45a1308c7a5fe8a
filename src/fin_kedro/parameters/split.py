"""Parameters of the split: by a hash of the id, or by time."""

from __future__ import annotations

import itertools
import math
from datetime import timedelta
from typing import Literal

import pydantic
from pydantic import Field

from fin_kedro.parameters.values import Day, Moment, PartShare, Section, Text, as_day

Part = Literal["train", "calibration", "test", "out_of_time"]


class Shares(Section):
    """Shares of the parts, by a hash of the id."""

    train: PartShare = Field(description="Share of rows to train on.")
    calibration: PartShare = Field(description="Share of rows to calibrate on.")
    test: PartShare = Field(description="Share of rows to measure on.")

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Shares:
        total = self.train + self.calibration + self.test
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"train, calibration and test add up to {total:g}; they must to 1")
        return self


class Span(Section):
    """Days of a part."""

    start: Day = Field(alias="from", description="First day.")
    end: Day = Field(alias="to", description="The day after the last one.")

    @pydantic.model_validator(mode="after")
    def _forward(self) -> Span:
        if not as_day(self.start) < as_day(self.end):
            raise ValueError(f"it ends {self.end}, which is not after {self.start}")
        return self


class Spans(Section):
    """Days of the parts, one after another; rows outside belong to no part."""

    train: Span = Field(description="Days to train on.")
    calibration: Span = Field(description="Days to calibrate on.")
    test: Span = Field(description="Days to measure on.")
    out_of_time: Span | None = Field(None, description="Later days to measure on.")

    @pydantic.model_validator(mode="after")
    def _in_turn(self) -> Spans:
        named = [(n, s) for n in Spans.model_fields if (s := getattr(self, n)) is not None]
        for (before, first), (after, second) in itertools.pairwise(named):
            if as_day(second.start) < as_day(first.end):
                raise ValueError(
                    f"{after} starts {second.start}, before {before} has ended ({first.end})"
                )
        return self


class LeaveOut(Section):
    """Rows about which nothing is to be decided."""

    column: Text = Field(description="Rows where it is above 0 are left out.")
    parts: list[Part] = Field(min_length=1, description="Of these parts.")


class Split(Section):
    """The parts of the rows."""

    delay_days: int | None = Field(
        None, ge=0, description="Days between calibration and test: outcomes come late."
    )
    parts: Spans | None = Field(None, description="Days of the parts, by time.")
    leave_out: LeaveOut | None = Field(None, description="Rows of no part.")

    def _timed(self) -> None:
        """What a split by time needs."""
        if self.parts is None or self.delay_days is None:
            missing = "parts" if self.parts is None else "delay_days"
            raise ValueError(f"the split is by time, and {missing!r} is missing")
        ends = as_day(self.parts.calibration.end)
        if as_day(self.parts.test.start) - ends < timedelta(days=self.delay_days):
            raise ValueError(
                f"parts.test starts {self.parts.test.start}, less than delay_days = "
                f"{self.delay_days} days after calibration ends ({ends}); outcomes of the last "
                "days would not be known yet"
            )


class StaticSplit(Split):
    """The parts of the rows."""

    by: Literal["hash", "time"] = Field("hash", description="By a hash of the id, or by time.")
    salt: Text = Field(description="Another salt draws other parts.")
    shares: Shares = Field(description="Shares of the parts, by hash.")
    out_of_time_from: Moment | None = Field(
        None, description="From here on rows are out of time; needed with a time column."
    )

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> StaticSplit:
        if self.by == "time":
            self._timed()
        elif extra := [n for n in ("parts", "delay_days", "leave_out") if getattr(self, n)]:
            raise ValueError(f"{extra[0]!r} is read where the split is by time; set by: time")
        return self


class EventTimeSplit(Split):
    """The parts of the rows, by time."""

    by: Literal["time"] = Field(description="Events are split by time.")

    @pydantic.model_validator(mode="after")
    def _by_time(self) -> EventTimeSplit:
        self._timed()
        return self
