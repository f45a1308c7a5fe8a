"""Whether what a contract states fits together: codes and rules, roles, the outcome."""

from __future__ import annotations

from typing import Any

from fin_kedro.contracts.column import MOMENTS, TIME, Column, ContractError, Scalar, moment
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.source import Source
from fin_kedro.contracts.typed import typed_at


def check_rules(contract: Contract) -> None:
    """Refuse rules that leave nothing, and codes and examples that the rules do not allow."""
    for column in contract.columns.values():
        where = f"{contract.where(column.name)}, column {column.name}"
        _check_bounds(column, where)
        _check_codes(column, where)
        if column.example is not None and (problem := column.problem(column.example)):
            raise ContractError(
                f"{where}: the example is not allowed: {problem}; allowed: {column.allowed_text()}."
            )


def _check_bounds(column: Column, where: str) -> None:
    for low_name in ("minimum", "exclusive_minimum"):
        for high_name in ("maximum", "exclusive_maximum"):
            low, high = getattr(column, low_name), getattr(column, high_name)
            if low is None or high is None:
                continue
            ends = [_ordered(end, column.type) for end in (low, high)]
            open_ = low_name != "minimum" or high_name != "maximum"
            if ends[0] > ends[1] or (open_ and ends[0] == ends[1]):
                names = [n.replace("_m", "M") for n in (low_name, high_name)]
                raise ContractError(
                    f"{where}: {names[0]} {low} is above {names[1]} {high}; nothing is allowed."
                )
    short, long = column.min_length, column.max_length
    if short is not None and long is not None and short > long:
        raise ContractError(
            f"{where}: minLength {short} is above maxLength {long}; nothing is allowed."
        )


def _ordered(bound: Any, type_: str) -> Any:
    return moment(bound, type_) if type_ in ("date", "timestamp") else bound


def _check_codes(column: Column, where: str) -> None:
    """Listed values keep the rules, recodes lead to what is allowed, one code has one meaning."""
    for value in column.allowed:
        problem = "an empty text means missing" if value == "" else column.broken_rule(value)
        if problem:
            raise ContractError(
                f"{where}: the enum lists {value!r}, and {problem}; take one of the two away."
            )
    if "" in column.recode:
        raise ContractError(
            f"{where}: recode reads an empty text as {column.recode['']!r}, and an empty text "
            "means missing; set required: false, or deliver another code."
        )
    for code, value in column.recode.items():
        if code in column.missing_codes:
            raise ContractError(f"{where}: {code!r} is recoded and means missing; choose one.")
        if column.allowed and value not in column.allowed:
            raise ContractError(
                f"{where}: recode leads to {value!r}, which is no allowed value; allowed: "
                f"{', '.join(map(str, column.allowed))}."
            )
        if problem := column.broken_rule(value):
            raise ContractError(
                f"{where}: recode leads to {value!r}, which is no allowed value: {problem}."
            )


def check_roles(contract: Contract, *, states_event: bool) -> None:
    """A table has one id; one that a model learns from also a target, and features."""
    for column in contract.columns.values():
        _check_age(contract, column)
    if not contract.id.required:
        raise ContractError(f"{contract.path}: the id must be required.")
    _ = contract.time  # raises where the role is given twice
    if states_event:
        _ = contract.target  # of which it would be the bad value


def _check_age(contract: Contract, column: Column) -> None:
    """A moment is a feature by its age alone, so there is something that the age is counted at."""
    where = f"{contract.where(column.name)}, column {column.name}"
    if not column.is_age:
        if column.age_at is not None:
            raise ContractError(
                f"{where}: ageAt belongs to a date or timestamp of role 'feature', and this is a "
                f"{column.type} of role {column.role!r}; take ageAt away."
            )
        return
    if column.nominal:
        raise ContractError(
            f"{where}: the model sees a {column.type} as a number of days, which has an order; "
            "take scale: nominal away."
        )
    if column.age_at is None or (column.age_at == TIME and contract.time is None):
        raise ContractError(
            f"{where}: a {column.type} of role 'feature' becomes its age in days, and no column "
            "has the role time that the age could be counted at. Give one this role, or name a "
            "fixed day: {property: ageAt, value: 2026-01-01}."
        )
    time = contract.time
    if column.age_at == TIME and time is not None and time.type not in MOMENTS:
        raise ContractError(
            f"{where}: its age is counted at {time.name}, which is of type {time.type} "
            f"({contract.where(time.name)}); allowed are {' and '.join(MOMENTS)}. Deliver the time "
            "as one of them, or name a fixed day: {property: ageAt, value: 2026-01-01}."
        )


def event_of(
    contract: Contract, stated: tuple[Any, tuple[Any, ...]] | None, source: Source
) -> Scalar:
    """Return the target's bad value, as one of its type; 1 where nothing is stated.

    Raises:
        ContractError: nothing to learn from, or a bad value that the target does not allow.
    """
    target = contract.target
    if not contract.features:
        raise ContractError(
            f"{contract.path}: there is a target and nothing to learn from; one column must be a "
            "feature."
        )
    where = contract.where(target.name)
    if stated is not None:
        event = typed_at(stated[0], target.type, source, stated[1], "`event`")
    elif target.is_number or "1" in target.allowed:
        event = True if target.type == "boolean" else "1" if target.type == "string" else 1
    else:
        raise ContractError(
            f"{where}: the bad value of {target.name} is not stated; state it at the table: "
            "customProperties: [{property: event, value: ...}]."
        )
    if target.problem(event) or event in (*target.recode, *target.missing_codes):
        raise ContractError(
            f"{where}: `event` is {event!r}, which is no allowed value of {target.name}; allowed: "
            f"{target.allowed_text()}."
        )
    return event
