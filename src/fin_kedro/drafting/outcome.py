"""Which column is the outcome, and which of its values is the bad one."""

from __future__ import annotations

from typing import Any

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting import words
from fin_kedro.drafting.guess import Guess, known_levels
from fin_kedro.drafting.profile import Profile
from fin_kedro.drafting.table_profile import TableProfile

MOST_OUTCOMES = 10
PLAIN = frozenset(
    ["1", "true", "yes", "y", "t", "ja", "si", "oui"]
)  # good or bad, as the name says


def find_target(table: TableProfile, named: str | None) -> tuple[Profile, str | None]:
    """The outcome, and what must be asked about it."""
    if named is not None:
        if named not in table.columns:
            raise ContractError(
                f"--target is {named!r}; the table has the columns {', '.join(table.columns)}."
            )
        if len(known_levels(table.columns[named])) < 2:
            raise ContractError(f"--target is {named!r}, which has one value only.")
        return table.columns[named], None
    found: list[tuple[int, int, str]] = []
    for place, (name, profile) in enumerate(table.columns.items()):
        levels = len(known_levels(profile))
        weight = words.target_weight(name)
        tells = 2 < levels <= MOST_OUTCOMES and any(map(words.is_bad, known_levels(profile)))
        if profile.type in ("date", "timestamp") or words.is_protected(name):
            continue
        if levels == 2 or (weight and tells and profile.type == "string"):
            found.append((weight, place, name))
    if not found:
        raise ContractError(
            "no column has two values, as an outcome has (good or bad). Name the outcome: "
            "--target COLUMN."
        )
    weight, _, name = max(found)
    others = [n for w, _, n in found if w == weight and n != name]
    if weight == 2 and not others:
        return table.columns[name], None
    why = "its name tells it" if weight else "it is the last column with two values"
    also = f" (it could also be {', '.join(others[:5])})" if others else ""
    return table.columns[name], f"is {name} the outcome? {why.capitalize()}{also}."


def find_event(target: Profile) -> tuple[Any, str | None]:
    """The bad value; asked where neither names nor levels tell it."""
    levels = known_levels(target)
    rows = dict(target.levels)
    rare = min(levels, key=lambda level: rows[level])
    good_name = bool(set(words.words_of(target.name)) & words.GOOD_NAME)
    bad = [v for v in levels if words.is_bad(v)]
    if good_name and len(levels) == 2 and len(bad) == 1 and str(bad[0]).casefold() in PLAIN:
        event = next(v for v in levels if v != bad[0])
        return event, f"is {event!r} the bad outcome? The name says that {bad[0]!r} is good."
    if len(bad) == 1:
        told = str(bad[0]).casefold() not in PLAIN or words.target_weight(target.name) == 2
        why = None if told else f"is {bad[0]!r} the bad outcome? It reads so."
        return bad[0], why
    return rare, f"is {rare!r} the bad outcome? It has the fewest rows ({rows[rare]:,})."


def as_target(profile: Profile, asked: str | None, about_event: str | None) -> Guess:
    """The outcome as a column of the contract."""
    questions = [q for q in (asked, about_event) if q]
    if profile.missing:
        questions.append(
            f"{profile.missing:,} rows have no outcome. Is it not known yet? They cannot be "
            "learnt from."
        )
    levels = known_levels(profile) if profile.type != "boolean" else []
    if len(levels) > 2:
        questions.append("there are more than two outcomes; all but the bad one count as good.")
    return Guess(
        profile=profile, role="target", reason="the outcome", questions=tuple(questions),
        levels=tuple(sorted(levels)), missing_codes=profile.sure_codes,
    )  # fmt: skip
