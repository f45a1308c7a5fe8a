"""The files of conf beside a drafted contract: workflow, parameters, policy, folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from fin_kedro.drafting.guess import Draft
from fin_kedro.drafting.table_profile import Notation
from fin_kedro.drafting.yaml_text import comment, flow, key, questions, scalar

SMALL = 20_000  # rows that carry a small model only
LATEST = 0.8  # share of the days before those that are kept out of time


AWAY = "\n".join(
    [*comment("Base's examples stay away from this environment."), "credit: null", "fraud: null"]
)


def declaration_text(
    name: str, kind: str, tables: Mapping[str, Sequence[str]], further: Sequence[str]
) -> str:
    """The declaration of a workflow.

    Args:
        name: of the workflow.
        kind: static or event_time.
        tables: by the name of a raw table, its lines as `table_lines` writes them.
        further: lines below the tables.
    """
    lines = [
        *comment(f"{name}: a workflow of its own (docs/new-workflow.md)."),
        f"{key(name)}:",
        f"  kind: {kind}",
    ]
    for table, of_table in tables.items():
        lines += [f"  {table}:", *of_table]
    return "\n".join([*lines, *further]) + "\n"


def table_lines(
    contract: str,
    file: str,
    kind: str,
    load_args: Mapping[str, Any] | None = None,
    notation: Notation | None = None,
) -> list[str]:
    """A raw table: contract, file, and how that is written."""
    lines = [
        f"    contract: {contract}",
        f"    filepath: {scalar(file)}",
        f"    file_format: {kind}",
    ]
    if load_args and notation is not None:
        lines += comment("how the file is written, found by looking at all of its rows", 4)
        lines += questions(_about(notation), 4)
        lines.append(f"    load_args: {flow(load_args)}")
    return lines


def static_words() -> list[str]:
    """What the service calls a row, as a question."""
    return [
        *questions(["what does the service call a row, and rows?"], 2),
        "  words: {row: application, rows: applications}",
    ]


def _about(notation: Notation) -> list[str]:
    asked = []
    if notation.day_or_month:
        other = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y"}[notation.day]
        asked.append(
            "does the day come before the month? All days of the file could be read either way "
            f"({notation.day} or {other})."
        )
    if notation.words:
        asked.append("do these words (nullstr) mean missing in every column, texts included?")
    return asked


def costs_lines(row: str, costs: Mapping[str, float], why: str) -> list[str]:
    """The decision's costs, which must be the workflow's own, as a question."""
    asked = f"what does {row} earn or lose, in your money? These four set the threshold; {why}"
    return ["  decision:", *questions([asked], 4), f"    costs: {flow(costs)}"]


STATIC_COSTS = {"approve_good": 1.0, "approve_bad": -5.0, "decline_good": 0.0, "decline_bad": 0.0}
NO_BANKS = "the ones here (a bad one loses what five good ones earn) are no bank's."


def parameters_text(name: str, draft: Draft | None) -> str:
    """What must be the workflow's own: its money, and of a draft its day and its size."""
    lines = [
        *comment("Only what differs from conf/base/parameters_static.yml."),
        f"{key(name)}:",
        *costs_lines("an application", STATIC_COSTS, NO_BANKS),
    ]
    if draft is not None and (time := draft.by_role("time")):
        day = _late_day(time[0].profile)
        lines += [
            "  split:",
            *questions(
                [f"from which day of {time[0].name} on are rows kept out of time? Fix it once."], 4
            ),
            f"    out_of_time_from: {day}   # about the latest fifth of the rows' span of days",
        ]
    if draft is not None and draft.table.rows < SMALL:
        lines += small_lines(f"{draft.table.rows:,} rows carry a small model")
    return "\n".join(lines) + "\n"


def small_lines(why: str) -> list[str]:
    """Settings of a small model."""
    return [
        "  champion:",
        *comment(why, 4),
        "    settings: {iterations: 300, learning_rate: 0.05, depth: 4}",
    ]


def _late_day(profile: Any) -> str:
    first, last = (dt.date.fromisoformat(str(day)[:10]) for day in (profile.low, profile.high))
    return (first + (last - first) * LATEST).isoformat()


def policy_text(name: str, draft: Draft | None) -> str:
    """Limits that cannot be those of the embedded data, and where ages are cut into groups."""
    lines = [
        *comment("Limits that differ from conf/base/policy.yml, each with its reason."),
        "workflows:",
        f"  {key(name)}:",
        "    gates:",
        *questions(["what must a model of yours reach? Base's limits come from other data."], 6),
        "      DIS-AUC:",
        "        limits: {min: null, low_min: 0.5, attention_min: 0.65}",
        "        reason: Drafted; the model is surely better than chance (docs/policy.md).",
        "      DIS-KS:",
        "        limits: {min: null, attention_min: 0.2}",
        "        reason: Drafted; DIS-AUC binds, KS is for information until you know yours.",
    ]
    numbers = [g for g in draft.by_role("protected") if g.profile.quartiles] if draft else []
    if numbers:
        lines += [
            "    validation:",
            *questions(["which groups must be told apart? Drafted: at the quartiles."], 6),
            "      group_edges:",
        ]
        for guess in numbers:
            edges = sorted(set(guess.profile.quartiles) - {guess.profile.low})
            lines.append(f"        {scalar(guess.name)}: {flow(edges)}")
    return "\n".join(lines) + "\n"


def globals_text(env: str) -> str:
    """Where the results live."""
    why = "# Where this data set's results, runs and ledger live, apart from those of others."
    return f"{why}\ndata: data/{env}\n"
