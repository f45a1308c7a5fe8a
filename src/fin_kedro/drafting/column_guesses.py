"""What a column that is neither outcome, id nor time probably is: feature, protected or ignored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from fin_kedro.contracts.column import TIME
from fin_kedro.drafting import words
from fin_kedro.drafting.guess import Guess, known_levels
from fin_kedro.drafting.profile import LEVELS, Profile
from fin_kedro.drafting.table_profile import TableProfile

FEW = 20  # levels that a text may have in any table
FREE_TEXT = 0.1  # levels a row, from which a text is taken for free text
CODES = 8  # whole numbers so few may be codes without an order
OLDEST = 120  # years
_AFTERWARDS = "is it known when the decision is taken? Its name tells of what came after."
LARGEST = 2**60  # beyond it, round bounds leave 64 bits


def guess_column(table: TableProfile, profile: Profile, day: str | None) -> Guess:
    """Any other column; ``day`` is the one that dates a row, if there is one."""
    found = _set_aside(table, profile)
    if found is not None:
        return found
    if words.is_protected(profile.name):
        return _as_protected(profile)
    if profile.type in ("date", "timestamp"):
        return _as_age(profile, day)
    return _as_feature(profile)


def _set_aside(table: TableProfile, profile: Profile) -> Guess | None:
    """A column that no model needs, or could use."""
    name = profile.name
    if kind := table.personal.get(name):
        return _ignored(profile, f"its cells are {kind}; no model needs it", "personal")
    if words.is_personal(name):
        return _ignored(profile, "its name tells of personal data; no model needs it", "personal")
    if profile.distinct <= 1:
        return _ignored(profile, "it has one value at most")
    if name in table.odd and not words.is_protected(name):
        return _ignored(
            profile, table.odd[name], question="deliver it in another notation or type?"
        )
    return None


def _ignored(
    profile: Profile, reason: str, classification: str | None = None, question: str | None = None
) -> Guess:
    return Guess(
        profile=profile, role="ignored", reason=reason, classification=classification,
        questions=(question,) if question else (), missing_codes=profile.sure_codes,
    )  # fmt: skip


def _as_protected(profile: Profile) -> Guess:
    found = replace(
        _as_feature(profile), role="protected", classification="protected",
        reason="its name tells of a protected attribute; measured for fairness, never a feature",
    )  # fmt: skip
    if profile.type in ("date", "timestamp"):
        return replace(found, role="ignored", reason="a day is no group; deliver an age instead")
    if found.role == "protected" and profile.type == "integer" and profile.high <= OLDEST:
        age = set(words.words_of(profile.name)) & {
            "age",
            "alter",
            "edad",
            "leeftijd",
            "wiek",
            "eta",
        }
        found = replace(found, maximum=OLDEST) if age else found
    return found


def _as_feature(profile: Profile) -> Guess:
    rules, asked = _rules(profile)
    named = set(words.words_of(profile.name))
    repeats = "does it stand for a person? Rows of one person may be in train and in test."
    if profile.type == "string" and not rules["levels"]:
        if words.is_id(profile.name) or profile.distinct > max(FEW, profile.rows * FREE_TEXT):
            what = f"{profile.distinct:,} different texts: free text, or an identifier"
            return _ignored(profile, what, question=repeats)
    elif profile.type == "integer" and words.is_id(profile.name) and profile.distinct > LEVELS:
        return _ignored(profile, "its name tells of an identifier, which repeats", question=repeats)
    if named & words.AFTERWARDS:
        asked.append(_AFTERWARDS)
    if named & words.PLACE:
        asked.append("may it be used? Where people live can stand for who they are.")
    return Guess(
        profile=profile, role="feature", reason=_described(profile), questions=tuple(asked),
        missing_codes=profile.sure_codes, example=_example(profile), **rules,
    )  # fmt: skip


def _as_age(profile: Profile, day: str | None) -> Guess:
    """A date or timestamp: the model sees the days between it and the day that dates the row."""
    if day is None:
        asked = (
            "count its age at a fixed day? Then make it a feature, with {property: ageAt, value: "
            "2026-01-01} and the day that is meant."
        )
        return _ignored(profile, "no column dates the rows, so it has no age", question=asked)
    asked_of = [_about(code) for code in profile.codes]
    if set(words.words_of(profile.name)) & (words.AFTERWARDS | words.OTHER_TIME):
        asked_of.append(_AFTERWARDS)
    return Guess(
        profile=profile, role="feature", reason=f"its age is one, in days at {day}",
        questions=tuple(asked_of), missing_codes=profile.sure_codes, age_at=TIME,
    )  # fmt: skip


def _rules(profile: Profile) -> tuple[dict[str, Any], list[str]]:
    """Bounds or levels, and what must be asked of them."""
    asked = [_about(code) for code in profile.codes]
    rules: dict[str, Any] = {"levels": (), "minimum": None, "maximum": None}
    if profile.type == "string":
        known = known_levels(profile)
        if len(known) <= LEVELS and profile.distinct <= max(FEW, profile.rows * FREE_TEXT):
            rules["levels"] = tuple(sorted(known))
            spaced = [level for level in known if level != level.strip()]
            if spaced:
                asked.append(f"{len(spaced)} levels have blanks at their ends, e.g. {spaced[0]!r}.")
    elif profile.type in ("integer", "number"):
        rules["minimum"], rules["maximum"] = bounds(profile.low, profile.high)
        count = profile.distinct - len(profile.sure_codes)
        if profile.type == "integer" and 2 < count <= CODES and profile.high > 2:
            asked.append(
                f"{count} whole numbers: an order, or codes? Codes need "
                "{property: scale, value: nominal}."
            )
    return rules, asked


def _about(code: Any) -> str:
    read = "It is read so" if code.sure else "It is kept as a value"
    return f"does {code.value!r} mean missing ({code.rows:,} rows; {code.why})? {read}."


def bounds(low: float, high: float) -> tuple[float | None, float | None]:
    """Round bounds with room: 0 below what is never negative, twice the highest above."""
    if low >= 0 and high <= 1:
        return 0, 1
    if max(-low, high) > LARGEST:
        return None, None
    return (0 if low >= 0 else -_round_up(-2 * low)), (_round_up(2 * high) if high > 0 else 0)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    found = next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))
    return int(found) if found >= 1 else float(f"{found:.1g}")


def _example(profile: Profile) -> Any:
    """A value that many rows have; of a number its median."""
    if profile.quartiles:
        return profile.quartiles[1]
    known = known_levels(profile)
    return known[0] if known else None


def _described(profile: Profile) -> str:
    if profile.quartiles:
        middle = profile.quartiles[1]
        seen = f"{profile.low:,} to {profile.high:,}, median {middle:,}"
    else:
        seen = f"{profile.distinct:,} levels"
    gaps = f", {profile.missing / profile.rows:.1%} missing" if profile.missing else ""
    return f"{profile.type}: {seen}{gaps}"
