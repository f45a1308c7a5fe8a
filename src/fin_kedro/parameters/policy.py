"""What policy.yml may say: gates, how figures are measured, quarantine, parity, approval."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from pydantic import Field

from fin_kedro.parameters.values import SAID, Count, Edges, NotNegative, Section, Share, Text

Code = Annotated[
    str,
    Field(pattern=r"^[A-Z]+(-[A-Z0-9]+)+$", json_schema_extra={SAID: "a code such as DIS-AUC"}),
]


class Limits(Section):
    """Limits of a figure; null: none."""

    min: float | None = Field(None, description="The figure is at least this.")
    max: float | None = Field(None, description="The figure is at most this.")
    low_min: float | None = Field(None, description="The lower end of its interval is at least.")
    high_max: float | None = Field(None, description="The upper end of its interval is at most.")
    high_min: float | None = Field(None, description="The upper end is at least this.")
    low_max: float | None = Field(None, description="The lower end is at most this.")
    attention_min: float | None = Field(None, description="Below, it asks for attention.")
    attention_max: float | None = Field(None, description="Above, it asks for attention.")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_today(cls, said: Any) -> Any:
        former = [key for key in ("warn_min", "warn_max") if isinstance(said, dict) and key in said]
        if former:
            raise ValueError(f"{former[0]} is called {former[0].replace('warn', 'attention')} now")
        return said

    @pydantic.model_validator(mode="after")
    def _can_hold(self) -> Limits:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}; no figure would pass")
        return self


class Gate(Section):
    """One check."""

    title: Text = Field(description="What is measured.")
    limits: Limits = Field(description="Limits of the figure.")
    gate: bool = Field(True, description="True: a failure stops the run.")
    reason: Text = Field(description="Why this limit, in one line.")


class SmallestSample(Section):
    """What a sample must have for its figures to be judged by themselves."""

    rows: int = Field(ge=0, description="Rows of the test part; with fewer the interval decides.")
    bads: int = Field(ge=0, description="Bad ones among them, likewise.")


class Validation(Section):
    """How the figures are measured."""

    calibration_bins: int = Field(ge=2, description="Bins of the calibration error.")
    score_bands: int = Field(ge=2, description="Bands that scores are read in.")
    psi_bins: int = Field(ge=2, description="Bins of the PSI.")
    smallest_sample: SmallestSample
    fewest_features: Count = Field(description="With fewer, one of them may carry the model.")
    smallest_group: Count = Field(description="Rows that a group needs to be judged.")
    group_edges: dict[Text, Edges | None] = Field(
        description="Numbers become groups at these edges, by column."
    )


class Quarantine(Section):
    """Rows that break the contract."""

    largest_share: Share = Field(description="More of them stop the run.")


class Parity(Section):
    """The ONNX graph against the Python model."""

    max_abs_diff: NotNegative = Field(description="Largest difference of a probability.")


class Approval(Section):
    """Who may approve."""

    roles: list[Text] = Field(min_length=1, description="Roles that may approve.")
    shortest_comment: int = Field(ge=0, description="Characters that an approval must say.")


class ReplayPolicy(Section):
    """What a replay must have shown (event_time)."""

    fewest_rows: Count = Field(description="Transactions replayed, at least.")
    stores: list[Text] = Field([], description="Kinds of stores it went through: memory, log.")


class Policy(Section):
    """The policy in force for a workflow."""

    gates: dict[Code, Gate]
    validation: Validation
    quarantine: Quarantine
    parity: Parity
    approval: Approval
    replay: ReplayPolicy | None = None


# What differs by workflow; the rest is read once for all of them.
BY_WORKFLOW = ("gates", "validation", "replay")
# What nodes read as parameters, so that `--params` changes it.
AS_PARAMETERS = ("quarantine", "parity")
