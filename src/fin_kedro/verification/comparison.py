"""Grades of a run that was executed again: A identical, B within tolerance, C same verdicts, D.

What counts as the same is declared in `conf/base/verification.yml`: tolerances by dataset and
leaf, each with a reason; which datasets hold verdicts and which hold decisions about rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fin_kedro.reports.record import RecordError, read_record
from fin_kedro.verification.departures import EXACT, Departure, Tolerance, departures

GRADES = ("A", "B", "C", "D")
NONE = "none"  # nothing was compared, so nothing was shown
MEANING = {
    "A": "identical",
    "B": "within tolerance",
    "C": "same verdicts and decisions",
    "D": "differs",
    NONE: "nothing to compare",
}
Files = Callable[[str], Path | None]


def worst(grades: Iterable[str]) -> str:
    """The worst of some grades; `none` where there is not one."""
    return max(grades, default=NONE)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What `verification.yml` declares; see `read_rules`."""

    at_least: str = "B"
    tolerances: tuple[Tolerance, ...] = ()
    verdicts: tuple[Mapping[str, Any], ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)

    def asking(self, at_least: str | None) -> Rules:
        """The same rules, with this grade as the least that holds, where one is given."""
        return replace(self, at_least=at_least) if at_least else self

    def tolerance(self, dataset: str, leaf: str) -> Tolerance:
        """The first tolerance that fits; exact equality where none does."""
        return next((t for t in self.tolerances if t.fits(dataset, leaf)), EXACT)

    def key(self, dataset: str) -> str | None:
        """The column that identifies the rows of a table, if one is declared."""
        return next((key for name, key in self.keys.items() if fnmatchcase(dataset, name)), None)

    def accepts(self, grade: str) -> bool:
        """Whether policy takes a grade for a verification that holds."""
        return grade in GRADES and grade <= self.at_least


def read_rules(content: Mapping[str, Any]) -> Rules:
    """The rules of a `verification.yml`; ValueError names an unknown key or a missing reason."""
    unknown = set(content) - {"at_least", "tolerances", "verdicts", "decisions", "keys"}
    if unknown:
        raise ValueError(
            f"verification.yml has an unknown section {min(unknown)!r}; it may have at_least, "
            "tolerances, verdicts, decisions, keys."
        )
    at_least = content.get("at_least", "B")
    if at_least not in GRADES:
        raise ValueError(f"at_least is {at_least!r} in verification.yml; it must be A, B, C or D.")
    return Rules(
        at_least=at_least,
        tolerances=tuple(Tolerance(**rule) for rule in content.get("tolerances") or ()),
        verdicts=tuple(content.get("verdicts") or ()),
        decisions=tuple(content.get("decisions") or ()),
        keys=dict(content.get("keys") or {}),
    )


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output (dataset of a node, or a cell's output) with its grade and what differs."""

    step: str
    name: str
    grade: str
    differences: tuple[Departure, ...] = ()
    note: str = ""

    @property
    def first(self) -> str:
        """The worst difference in words; a note where values could not be compared."""
        return str(self.differences[0]) if self.differences else self.note


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every output of a run, in the order in which they were made, and the judgements in them.

    ``judgements`` counts verdicts and decisions; ``changed`` names those that came out otherwise.
    """

    outputs: tuple[Output, ...]
    judgements: int = 0
    changed: tuple[str, ...] = ()

    @property
    def grade(self) -> str:
        """The run's grade: the worst of its outputs; `none` where it has no output."""
        return worst(output.grade for output in self.outputs)

    @property
    def departing(self) -> tuple[Output, ...]:
        """Outputs that are not identical, in run order."""
        return tuple(output for output in self.outputs if output.grade != "A")

    @property
    def first(self) -> Output | None:
        """The first output that departs; the first of the worst grade has `decisive`."""
        return next(iter(self.departing), None)

    @property
    def decisive(self) -> Output | None:
        """The first output that has the run's grade; None when all are identical."""
        return next((o for o in self.departing if o.grade == self.grade), None)


def ordered_steps(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Steps so that each comes after those whose outputs it reads; else as they are listed."""
    maker = {name: step for step, entry in steps.items() for name in entry["written"]}
    ordered: list[str] = []

    def place(step: str, above: tuple[str, ...] = ()) -> None:
        if step in ordered or step in above:
            return
        for name in steps[step]["read"]:
            if name in maker:
                place(maker[name], (*above, step))
        ordered.append(step)

    for step in steps:
        place(step)
    return ordered


def compare_runs(
    sealed: Mapping[str, Any],
    found: Mapping[str, Any],
    *,
    stored: Files,
    made: Files,
    rules: Rules,
    only: Sequence[str] | None = None,
) -> Comparison:
    """Grade what a second run made against the seal of the first.

    Args:
        sealed: `content` of the sealed run.
        found: `content` of the run that was executed again.
        stored: file of a dataset as the sealed run left it, None when it is gone.
        made: file of a dataset of the other run.
        rules: tolerances, verdicts, decisions.
        only: steps to look at; all by default.
    """
    steps = sealed["steps"]
    wanted = [step for step in ordered_steps(steps) if only is None or step in only]
    now = {name: h for entry in found["steps"].values() for name, h in entry["written"].items()}
    listed = []
    for step in wanted:
        for name, digest in steps[step]["written"].items():
            output = _compare_output(
                step, name, (digest, now.get(name)), (stored(name), made(name)), rules
            )
            listed.append(output)
    count, changed = _judged(listed, stored, made, rules)
    return _settled(listed, count, changed)


def _compare_output(
    step: str,
    name: str,
    digests: tuple[str, str | None],
    files: tuple[Path | None, Path | None],
    rules: Rules,
) -> Output:
    """Grade A, B or D by the values alone; verdicts may lift D to C afterwards."""
    if digests[0] == digests[1]:
        return Output(step=step, name=name, grade="A")
    if digests[1] is None:
        return Output(step=step, name=name, grade="D", note="was not made this time")
    stored, made = files
    if stored is None or made is None:
        return Output(
            step=step, name=name, grade="D", note="the sealed file is gone: only hashes compare"
        )
    return _graded(step, name, stored, made, rules)


def _graded(step: str, name: str, stored: Path, made: Path, rules: Rules) -> Output:
    try:
        listed = departures(
            stored, made, allowed=lambda leaf: rules.tolerance(name, leaf), key=rules.key(name)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        note = f"could not be compared: {type(error).__name__}: {error}"
        return Output(step=step, name=name, grade="D", note=note)
    grade = "B" if all(departure.within for departure in listed) else "D"
    note = "" if listed else "no value differs, only the form"
    return Output(step=step, name=name, grade=grade, differences=tuple(listed), note=note)


def _judged(
    outputs: Sequence[Output], stored: Files, made: Files, rules: Rules
) -> tuple[int, tuple[str, ...]]:
    """How many verdicts and decisions the run has, and which came out otherwise."""
    count, changed = 0, []
    for output in outputs:
        files, same = (stored(output.name), made(output.name)), output.grade == "A"
        try:
            before = judgements(files[0] or files[1], output.name, rules)
            after = before if same else judgements(files[1], output.name, rules)
        except UnreadableJudgementsError as error:
            changed += [] if same else [f"{output.name}: {error}"]
            continue
        count += len(before)
        if before and not same and not all(files):
            changed.append(f"{output.name}: {output.note or 'one of the files is gone'}")
            continue
        changed += [f"{output.name} {words}" for words in _otherwise(before, after)]
    return count, tuple(changed)


def _otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Judgements that came out otherwise, in words; only of files that held some before."""
    keys = {**before, **after} if before else {}
    return [
        f"{key}: {before.get(key)} became {after.get(key)}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


class UnreadableJudgementsError(ValueError):
    """A file that should hold verdicts or decisions does not; none is known to be the same."""


def judgements(path: Path | None, name: str, rules: Rules) -> dict[str, Any]:
    """Verdicts and decisions that a file holds, by their key; empty when it holds none.

    Raises UnreadableJudgementsError for a file that cannot be read as the rules say.
    """
    if path is None:
        return {}
    try:
        for rule in rules.verdicts:
            if fnmatchcase(name, rule["dataset"]):
                return _verdicts(json.loads(path.read_text(encoding="utf-8")), rule)
        for rule in rules.decisions:
            if fnmatchcase(name, rule["dataset"]):
                return _decisions(path, rule)
        if path.suffix == ".ipynb":
            return _recorded(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, OSError, TypeError, ValueError) as error:
        words = f"its judgements cannot be read: {type(error).__name__}: {error}"
        raise UnreadableJudgementsError(words) from error
    return {}


def _recorded(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Verdicts that a notebook recorded; most notebooks record none."""
    try:
        return {verdict["code"]: verdict["status"] for verdict in read_record(notebook)}
    except RecordError:
        return {}


def _verdicts(content: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    if "list" not in rule:
        return {field: content[field] for field in rule["fields"]}
    return {
        entry[rule["key"]]: ", ".join(str(entry[field]) for field in rule["fields"])
        for entry in content[rule["list"]]
    }


def _decisions(path: Path, rule: Mapping[str, Any]) -> dict[str, Any]:
    import pandas as pd

    wanted = [rule["key"], rule["column"]]
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path, columns=wanted)
    return dict(zip(table[wanted[0]].astype(str), table[wanted[1]], strict=True))


def _settled(outputs: Sequence[Output], count: int, changed: Sequence[str]) -> Comparison:
    """Lift D to C where every verdict and decision of the run stayed the same."""
    made = all(output.note != "was not made this time" for output in outputs)
    if count and not changed and made:
        outputs = [
            Output(**{**vars(output), "grade": "C"}) if output.grade == "D" else output
            for output in outputs
        ]
    return Comparison(outputs=tuple(outputs), judgements=count, changed=tuple(changed))


def compare_notebooks(
    sealed: Mapping[str, Any],
    found: Mapping[str, Any],
    *,
    stored: Path,
    made: Path,
    rules: Rules,
    name: str,
) -> Comparison:
    """Grade an executed notebook cell by cell; `sealed` and `found` are `content` of both seals."""
    steps, now = sealed["steps"], found["steps"]
    output = _graded("", name, stored, made, rules)
    listed = []
    for step in sorted(steps, key=_cell_number):
        for kind, digest in steps[step]["written"].items():
            same = now.get(step, {"written": {}})["written"].get(kind) == digest
            mine = () if same else _of_cell(output.differences, step)
            grade = "A" if same else "B" if mine and all(d.within for d in mine) else "D"
            note = "" if same or mine else "its output differs"
            listed.append(
                Output(step=step, name=kind, grade=grade, differences=tuple(mine), note=note)
            )
    before, after = (judgements(path, name, rules) for path in (stored, made))
    return _settled(listed, len(before), _otherwise(before, after))


def _cell_number(step: str) -> int:
    """The place of a cell among the code cells: "cell 10 (#id)" comes after "cell 9 (#id)"."""
    number = step.removeprefix("cell ").split(" ")[0]
    return int(number) if number.isdecimal() else 0


def _of_cell(differences: Sequence[Departure], step: str) -> list[Departure]:
    """Differences of the cell that a step ("cell 3 (#id)") names by its id."""
    name = step.partition("(#")[2] or step
    return [d for d in differences if f"(#{name}" in d.where or d.where.startswith(f"{step},")]
