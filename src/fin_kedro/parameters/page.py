"""docs/parameters.md: every parameter with what is allowed, its default and what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml

from fin_kedro.parameters.places import ALL, is_stated, value_at
from fin_kedro.parameters.policy import Policy
from fin_kedro.parameters.sections import KINDS
from fin_kedro.parameters.words import allowed_words, resolved, schema_of

TABLE = "| parameter | allowed | static | event_time | what it is |\n|---|---|---|---|---|"
HEAD = """# Parameters
*Written by `kedro parameters --page docs/parameters.md` from the schema
(`src/fin_kedro/parameters/sections.py` and its neighbours) and `conf/base`; a test holds it to
both.*

A parameter stands under its workflow's name, `credit.champion.seed`; under `"{static}"` or
`"{event_time}"` for every workflow of a kind, under `"{workflow}"` for all. A workflow's own value
comes before its kind's, an environment's before base's, and
`kedro run --params credit.champion.seed=7` before both. A name that is not listed here, or a value
that is not allowed, is refused before anything runs or is written, wherever it stands: the message
names file and line, or `--params`. `kedro parameters credit.champion` shows the values in force and
where each stands.

The columns `static` and `event_time` have the default of the kind: "needed" where each workflow
must say its own, `-` where it may be left out, nothing where the kind does not have the parameter.
"""
CATBOOST = """
`champion.settings` takes CatBoost's own names. Any other training parameter of `CatBoostClassifier`
may be added; its name and value are asked of CatBoost before the run.
"""
POLICY = """
## Policy
What `policy.yml` says, not a parameter of a run: `--params` may change `quarantine` and `parity`
only. Under `workflows`, by name or kind, `gates`, `validation` and `replay` may differ.
[Checks](checks.md) explains each code.

| setting | allowed | base | what it is |
|---|---|---|---|
"""
OWN = """
## A parameter of your own
A node that reads a new parameter needs a field in `src/fin_kedro/parameters/sections.py` (name,
type, range, one sentence), a default in `conf/base`, and this page written anew.
"""
# The simulation's own schema (`fin_kedro.simulation.settings`) has ranges and no sentences.
_WORLD = {
    "start": "First day.",
    "days": "Length in days.",
    "customers": "Customers, times the factor.",
    "terminals": "Terminals, times the factor.",
    "factor": "Scales customers, terminals and cases of fraud alike.",
    "radius": "How far from home a customer buys, on a square of 100.",
    "mean_amount": "A customer's mean amount lies between these.",
    "amount_deviation": "Spread of a customer's amounts, as a share of the mean.",
    "rate": "A customer's purchases a day lie between these, on average.",
    "time_of_day": "Mean and spread of the second of the day.",
    "fraud.high_amounts.threshold": "Every higher amount is fraud.",
    "fraud.terminals.daily": "Terminals taken over each day.",
    "fraud.terminals.days": "For how many days.",
    "fraud.customers.daily": "Cards stolen each day.",
    "fraud.customers.days": "For how many days.",
    "fraud.customers.share": "Share of their purchases that is fraud.",
    "fraud.customers.multiplier": "By how much those are larger.",
    "labels.delay_days": "Days until a fraud is reported.",
    "labels.late_share": "Share of the reports that comes later still.",
    "labels.late_days": "By how many days at most.",
    "labels.false_alarm_share": "Genuine transactions reported, and taken back.",
    "labels.corrected_share": "Frauds whose report is taken back by mistake, and made again.",
    "labels.correction_days": "Days until a wrong report is taken back.",
    "arrival.late_share": "Share of the transactions that reach us late.",
    "arrival.late_minutes": "By how many minutes at most.",
    "drift": "New scenarios from a date on, to try monitoring with.",
}
WORLD = {("simulation", "settings", *name.split(".")): said for name, said in _WORLD.items()}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kind: its path, what is allowed, what it is, whether it must be stated.

    ``default`` is what holds where conf states nothing.
    """

    path: tuple[str, ...]
    allowed: str
    meaning: str
    needed: bool
    default: Any = None


def parameters_of(model: type[pydantic.BaseModel]) -> Iterator[Parameter]:
    """Every parameter below a section, in the order of the schema."""
    yield from _below(model, schema_of(model), (), needed=True)


def _below(
    model: type[pydantic.BaseModel], node: Mapping[str, Any], path: tuple[str, ...], needed: bool
) -> Iterator[Parameter]:
    node = resolved(model, node)
    section = _section(model, node)
    if section is None:
        meaning = str(node.get("description", ""))
        meaning = meaning or WORLD.get(path, "")
        yield Parameter(path, allowed_words(model, node), meaning, needed, node.get("default"))
        return
    needed = not path or (needed and section is node)  # what may be null may be left out
    for name, below in section["properties"].items():
        inside = needed and name in section.get("required", ())
        yield from _below(model, below, (*path, name), inside)


def _section(model: type[pydantic.BaseModel], node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a node is, with or without null; None where it is a value."""
    for choice in node.get("anyOf", [node]):
        found = resolved(model, choice)
        if "properties" in found:
            return found
        more = found.get("additionalProperties") or next(
            iter(found.get("patternProperties", {}).values()), None
        )
        if isinstance(more, Mapping) and "properties" in (inner := resolved(model, more)):
            return {"properties": {"CODE": inner}, "required": ["CODE"]}
    return None


def page(conf: Path) -> str:
    """The page; `conf` is the folder whose base has the defaults."""
    base = conf / "base"
    stated = {kind: _stated(base, kind) for kind in KINDS}
    found = {kind: {p.path: p for p in parameters_of(model)} for kind, model in KINDS.items()}
    paths = list(dict.fromkeys(path for kind in KINDS for path in found[kind]))
    lines = [HEAD.rstrip("\n")]
    for section in dict.fromkeys(path[0] for path in paths):
        lines += [f"\n## {section}\n{_meaning_of(section)}\n", TABLE]
        lines += [_row(path, found, stated) for path in paths if path[0] == section]
        if section == "champion":
            lines.append(CATBOOST.rstrip("\n"))
    policy = [yaml.safe_load((base / "policy.yml").read_text(encoding="utf-8"))]
    lines.append(POLICY.rstrip("\n"))
    lines += [
        _line(parameter, parameter.allowed, [_default(policy, parameter)])
        for parameter in parameters_of(Policy)
    ]
    return "\n".join(lines) + "\n" + OWN


def _meaning_of(section: str) -> str:
    """What a section says of itself."""
    for model in KINDS.values():
        node = schema_of(model)["properties"].get(section)
        found = _section(model, resolved(model, node)) if node else None
        if found:
            return str(found["description"])
    return ""


def _row(
    path: tuple[str, ...],
    found: Mapping[str, Mapping[tuple[str, ...], Parameter]],
    stated: Mapping[str, Sequence[Any]],
) -> str:
    """One line of a table; a parameter that a kind does not have is empty there."""
    known = {kind: parameters[path] for kind, parameters in found.items() if path in parameters}
    allowed = {kind: parameter.allowed for kind, parameter in known.items()}
    same = len(set(allowed.values())) == 1
    said = allowed.values() if same else (f"{kind}: {words}" for kind, words in allowed.items())
    values = [_default(stated[kind], known[kind]) if kind in known else "" for kind in found]
    return _line(next(iter(known.values())), next(iter(said)) if same else "; ".join(said), values)


def _line(parameter: Parameter, allowed: str, values: Sequence[str]) -> str:
    cells = (f"`{'.'.join(parameter.path)}`", allowed.replace("|", "\\|"), *values)
    return f"| {' | '.join(cells)} | {parameter.meaning} |"


def _default(stated: Sequence[Any], parameter: Parameter) -> str:
    """The value that conf states first, else the schema's own."""
    value = next(
        (
            value_at(content, parameter.path)
            for content in stated
            if is_stated(content, parameter.path)
        ),
        parameter.default,
    )
    if value is None and not any(is_stated(content, parameter.path) for content in stated):
        return "needed" if parameter.needed else "-"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return f"`{text.removesuffix(chr(10)).removesuffix(chr(10) + '...')}`"


def _stated(base: Path, kind: str) -> list[Any]:
    """What base says for a kind, placeholders as they stand; what counts first comes first."""
    contents = [
        yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for file in sorted(base.glob("parameters*.yml"))
    ]
    heads = (f"{{{kind}}}", f"{{{ALL}}}")
    return [content[head] for head in heads for content in contents if head in content]
