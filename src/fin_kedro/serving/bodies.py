"""What a path takes: one JSON object with a list of rows, each with the columns of a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from fin_kedro.contracts import Column, Contract
from fin_kedro.contracts.requests import event_columns, reference_name
from fin_kedro.serving.answers import Words

if TYPE_CHECKING:
    from fin_kedro.features.windows import EventFeatures

MAX_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Body:
    """What one path takes.

    ``columns`` are what a row holds; with ``reference`` it may hold an ``id`` of the caller's too.
    ``made`` are columns of the contract that the service computes itself. ``options`` are members
    beside the list of rows, each true or false, with what true does. ``model`` names a row in the
    API's description (None: after the contract), ``purpose`` says what it is sent for.
    """

    contract: Contract
    columns: tuple[Column, ...]
    path: str = "/score"
    row: str = "application"
    rows: str = "applications"
    reference: bool = True
    made: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    purpose: str = "decide on"

    @cached_property
    def fields(self) -> dict[str, Column]:
        """The columns of a row by name."""
        return {c.name: c for c in self.columns}

    @cached_property
    def names(self) -> list[str]:
        """All members that a row may have."""
        return [*self.fields, *([reference_name(self.columns)] if self.reference else [])]

    def no_place(self, name: str) -> str | None:
        """Why a column of the contract has no place in a row; None: the contract has no such."""
        column = self.contract.columns.get(name)
        if column is None:
            return None
        if name in self.made:
            return f"{name} is computed here, from what is known at that moment"
        what = "a protected attribute" if column.role == "protected" else f"of role {column.role}"
        return f"{name} is {what} and plays no part in a decision"


def feature_body(contract: Contract, words: Words) -> Body:
    """Rows that bring everything the model reads."""
    return Body(contract=contract, columns=tuple(contract.inputs), row=words.row, rows=words.rows)


def event_body(contract: Contract, words: Words, features: EventFeatures) -> Body:
    """Rows as they happen; their history is looked up here."""
    return Body(
        contract=contract,
        model=words.row.capitalize(),
        columns=tuple(event_columns(contract, features.names)),
        row=words.row,
        rows=words.rows,
        reference=False,
        made=features.names,
        options={"explain": "the history that was looked up comes back with each decision"},
    )


def label_body(contract: Contract, features: EventFeatures) -> Body:
    """Labels of rows that were scored; their contract follows from that of the rows."""
    own, known = contract.id, contract.columns[features.known]
    columns = (
        replace(
            own, name=features.label_id, description="Which label; sent twice, it is the same."
        ),
        own,
        contract.target,
        replace(known, description="When this became known, microseconds since 1970 UTC."),
    )
    named = {c.name: c for c in columns}
    return Body(
        contract=Contract(name="labels", version=contract.version, columns=named),
        model="Label",
        columns=columns,
        path="/labels",
        row="label",
        rows="labels",
        reference=False,
        purpose="learn from",
    )
