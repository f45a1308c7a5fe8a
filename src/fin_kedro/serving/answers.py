"""What a decision looks like, in the words of its workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import pydantic

from fin_kedro.governance.package import Package, PackageError


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a workflow calls things; a package says it in ``words`` of its decision policy."""

    row: str = "application"
    rows: str = "applications"
    bad: str = "default"
    accept: str = "approve"
    refuse: str = "decline"

    @classmethod
    def of(cls, package: Package) -> Words:
        """Return the words of a package; raise `PackageError` at one that has no place here."""
        told: Mapping[str, Any] = package.decision.get("words", {})
        known = [f.name for f in fields(cls)]
        wrong = [k for k, v in told.items() if k not in known or not (isinstance(v, str) and v)]
        if wrong:
            raise PackageError(
                f"decision.json of {package.folder}: words has {', '.join(map(repr, wrong))}; "
                f"allowed: {', '.join(known)}, each a word. Correct the parameter decision.words."
            )
        return cls(**told)

    @property
    def refused(self) -> str:
        """The past of ``refuse``: declined, blocked."""
        return self.refuse + ("d" if self.refuse.endswith("e") else "ed")


class Reason(pydantic.BaseModel):
    """One thing that raised the probability, in the contract's words."""

    code: str = pydantic.Field(description="short code of the reason")
    column: str
    text: str = pydantic.Field(description="the reason in words for a person")
    contribution: float


class ModelReference(pydantic.BaseModel):
    """The model that decided."""

    workflow: str
    version: str = pydantic.Field(description="version in the registry")
    digest: str = pydantic.Field(description="sha256 of the approved package")


class Decision(pydantic.BaseModel):
    """The answer to one row; `decision_model` describes it to callers."""

    id: str | int | None = None
    probability: float
    decision: str
    threshold: float
    reasons: list[Reason]
    model: ModelReference


class Refused(pydantic.BaseModel):
    """A row that cannot be scored. It stands in the row's place, so that neighbours keep theirs.

    ``field`` is empty when it is the row as a whole; ``status`` is 422, or 500 when the row is not
    to blame.
    """

    id: str | int | None = None
    field: str
    message: str
    status: int = 422


class Unavailable(pydantic.BaseModel):
    """The feature store failed: nothing was decided and nothing counted."""


def decision_model(words: Words, *, reference: str = "id", **more: Any) -> type[pydantic.BaseModel]:
    """Return what the API says about a `Decision`, in a workflow's words.

    Args:
        words: how the workflow speaks.
        reference: the member of a row that comes back with its decision, under its own name:
            ``id``, which a caller may leave out, or an id that every row has.
        more: further members, as `pydantic.create_model` takes them.
    """
    field = pydantic.Field
    reason: Any = pydantic.create_model(
        "Reason",
        __base__=Reason,
        __doc__=Reason.__doc__,
        column=(str, field(description=f"the column of the {words.row} it rests on")),
        contribution=(float, field(description=f"what it adds to the log odds of {words.bad}")),
    )
    own: Any = (
        int | str | None,
        field(None, description="the caller's reference, if one was sent"),
    )
    if reference != "id":
        own = (int | str, field(description=f"which {words.row}"))
    members = {
        reference: own,
        "probability": (float, field(ge=0, le=1, description=f"probability of {words.bad}")),
        "decision": (Literal[words.accept, words.refuse], ...),
        "threshold": (float, field(description=f"{words.refused} at or above this probability")),
        "reasons": (list[reason], field(description="strongest first; what raised the risk")),
        "model": (ModelReference, ...),
        **more,
    }
    return pydantic.create_model("Decision", __doc__=f"The answer to one {words.row}.", **members)  # type: ignore[no-any-return,call-overload]
