"""The guess of a whole table: which column is the id, the time and the outcome, and which leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting import words
from fin_kedro.drafting.column_guesses import guess_column
from fin_kedro.drafting.guess import Draft, Guess
from fin_kedro.drafting.outcome import as_target, find_event, find_target
from fin_kedro.drafting.profile import Profile
from fin_kedro.drafting.table_profile import TableProfile


def guess_table(table: TableProfile, target: str | None = None) -> Draft:
    """Guess the roles of all columns.

    Args:
        table: the profile.
        target: the outcome's column, where somebody has named it.

    Raises:
        ContractError: no column can be an outcome; names what was looked for.
    """
    outcome, asked = find_target(table, target)
    event, about_event = find_event(outcome)
    key = _id(table, outcome.name)
    day = _time(table, outcome.name, key)
    columns = {}
    for name, profile in table.columns.items():
        if name == outcome.name:
            guess = as_target(profile, asked, about_event)
        elif name == key:
            guess = Guess(profile=profile, role="id", reason="every row has a value of its own",
                          classification="pseudonym")  # fmt: skip
        elif name == day:
            guess = _as_time(profile)
        else:
            guess = guess_column(table, profile, day)
        columns[name] = guess
    if not [guess for guess in columns.values() if guess.role == "feature"]:
        raise ContractError(
            "no column can be a feature: each is constant, free text, personal or protected."
        )
    return Draft(table=table, columns=columns, event=event, numbered=key is None)


def _id(table: TableProfile, target: str) -> str | None:
    """A unique column that is named as an id, or counts the rows, or is a code of its own."""
    unique = [
        p for n, p in table.columns.items()
        if n != target and p.unique and p.type in ("integer", "string")
        and n not in table.personal and not words.is_personal(n)
    ]  # fmt: skip
    named = [p for p in unique if words.is_id(p.name)]
    counting = [
        p for p in unique
        if p.type == "integer" and p.low in (0, 1) and p.high - p.low == p.rows - 1
    ]  # fmt: skip
    codes = [p for p in unique if p.type == "string" and _is_code(p)]
    return next((p.name for p in (*named, *counting, *codes)), None)


def _is_code(profile: Profile) -> bool:
    """Texts of one length, without blanks, with digits in all of them."""
    texts = [str(value) for value, _ in profile.levels]
    return len({len(t) for t in texts}) == 1 and all(
        " " not in t and any(map(str.isdigit, t)) for t in texts
    )


def _time(table: TableProfile, target: str, key: str | None) -> str | None:
    """The day of the application: a date without gaps, best one that is named so."""
    found = []
    for place, (name, p) in enumerate(table.columns.items()):
        if p.type not in ("date", "timestamp") or name in (target, key) or p.missing or p.codes:
            continue
        named = set(words.words_of(name))
        if p.distinct < 2 or named & words.OTHER_TIME or words.is_personal(name):
            continue
        found.append((-len(named & words.TIME), place, name))
    return min(found)[2] if found else None


def _as_time(profile: Profile) -> Guess:
    return Guess(
        profile=profile, role="time",
        reason="a day in every row; the latest rows are kept apart, out of time",
        questions=("is it known when the decision is taken? Else make it ignored.",),
    )  # fmt: skip


def with_leaks(draft: Draft, aucs: Mapping[str, float], most: float) -> Draft:
    """The draft, with columns that rank the outcome too well taken out of the features."""
    columns = dict(draft.columns)
    for name, auc in aucs.items():
        if auc > most and columns[name].role == "feature":
            columns[name] = replace(
                columns[name], role="ignored", age_at=None,
                reason=f"alone it ranks the outcome with an AUC of {auc:.3f}: likely a leak",
                questions=(*columns[name].questions,
                           "is it filled after the outcome? If not, make it a feature."),
            )  # fmt: skip
    _refuse_none(draft, columns)
    return replace(draft, columns=columns)


LATER = 0.1  # share of the rows from which days after the row's own are likely a leak


def with_ages(draft: Draft, ages: Mapping[str, Sequence[float]]) -> Draft:
    """The draft without ages that tell nothing, or that likely tell what came after the decision.

    Args:
        draft: the guesses.
        ages: of each date that is a feature its ages in days, without missing ones.
    """
    columns = dict(draft.columns)
    for name, days in ages.items():
        later = float(np.mean(np.asarray(days) < 0)) if len(days) else 0.0
        if columns[name].role != "feature":
            continue
        if later > LATER:
            columns[name] = replace(
                columns[name], role="ignored", age_at=None,
                reason=f"in {later:.1%} of its rows it lies after the row's own day: likely a leak",
                questions=(*columns[name].questions,
                           "is it known when the decision is taken, as an agreed end is? Then make "
                           "it a feature."),
            )  # fmt: skip
        elif len(set(days)) <= 1:
            columns[name] = replace(
                columns[name], role="ignored", age_at=None,
                reason="it is as many days before the row's own in every row",
            )  # fmt: skip
    _refuse_none(draft, columns)
    return replace(draft, columns=columns)


def _refuse_none(draft: Draft, columns: Mapping[str, Guess]) -> None:
    if not [guess for guess in columns.values() if guess.role == "feature"]:
        raise ContractError(
            "every column that could be a feature ranks the outcome as only a leak does. Is "
            f"{draft.target.name} the outcome? Name it: --target COLUMN."
        )
