"""A draft as a contract: the standard's YAML, each guess with its reason as a comment."""

from __future__ import annotations

from fin_kedro.drafting.guess import Draft, Guess
from fin_kedro.drafting.yaml_text import comment, flow, questions, scalar

_IN = 6  # blanks before a property


def contract_text(draft: Draft, name: str, origin: str) -> str:
    """The contract of a draft.

    Args:
        draft: the guesses.
        name: of the table, which is the workflow's.
        origin: what it was drafted from.
    """
    left_out = draft.table.left_out
    lines = [
        *comment(
            f"Drafted by `kedro contract draft` from {origin}, {draft.table.rows:,} rows. Each "
            "column has the reason of its role above it; a question stands where the table alone "
            "cannot tell. Answer it, correct the lines below it, and take the question away."
        ),
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {scalar(name.replace('_', '-'))}",
        f"name: {scalar(name)}",
        "version: 0.1.0",
        "status: draft",
        "schema:",
        f"  - name: {scalar(name)}",
        "    physicalType: table",
        "    customProperties:",
        f"      - {_property('event', scalar(draft.event))}   # the bad outcome",
        *(_made_id() if draft.numbered else []),
        "    properties:",
    ]
    for guess in draft.columns.values():
        lines += _column(guess)
    for column, kind in left_out.items():
        lines += comment(f"{column}: left out; a contract knows no column of type {kind}.", _IN)
    return "\n".join(lines) + "\n"


def _made_id() -> list[str]:
    return [
        *comment("No column tells the rows apart, so a row's id is its number in the file.", _IN),
        *questions(["is there a number of the bank's own? Deliver it with the role id."], _IN),
        f"{' ' * _IN}- {_property('id', 'row')}",
    ]


def _column(guess: Guess) -> list[str]:
    start = " " * (_IN + 2)
    lines = [
        *comment(f"{guess.name}: {guess.role}. {guess.reason[:1].upper()}{guess.reason[1:]}.", _IN),
        *questions(guess.questions, _IN),
        f"{' ' * _IN}- name: {scalar(guess.name)}",
        f"{start}logicalType: {guess.profile.type}",
        f"{start}required: {scalar(guess.required)}",
    ]
    bounds = {"minimum": guess.minimum, "maximum": guess.maximum}
    if stated := {k: v for k, v in bounds.items() if v is not None}:
        lines.append(f"{start}logicalTypeOptions: {flow(stated)}")
    if guess.levels:
        lines.append(f"{start}enum:")
        lines += [f"{start}  - {{value: {scalar(level)}}}" for level in guess.levels]
    if guess.classification:
        lines.append(f"{start}classification: {guess.classification}")
    if guess.example is not None:
        lines.append(f"{start}examples: [{scalar(guess.example)}]")
    lines.append(f"{start}customProperties:")
    lines.append(f"{start}  - {_property('role', guess.role)}")
    if guess.age_at:
        lines.append(f"{start}  - {_property('ageAt', guess.age_at)}")
    if guess.missing_codes:
        lines.append(f"{start}  - {_property('missingCodes', flow(guess.missing_codes))}")
    return lines


def _property(name: str, value: str) -> str:
    return f"{{property: {name}, value: {value}}}"
