"""What differs between two sealed runs: code, data, parameters, environment, figures, verdicts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.changes.code_difference import CodeChanges, compare_code
from fin_kedro.changes.staleness import leaf_changes
from fin_kedro.seals.seal import check_seal, read_patch, read_seal
from fin_kedro.storage.canonical import content_hash, file_hash

PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
# For which figures more is better, and for which less; of others nothing is said.
MORE = ("auc", "gini", "ks", "average_precision", "profit", "recall", "precision", "card_precision")
LESS = ("brier", "log_loss", "ece", "max_abs_diff", "decisions_differ")
SEVERITY = {"fail": 0, "warn": 1, "pass": 2, "not_applicable": 3}
MOST_BYTES = 2_000_000_000
NOTEBOOK = "notebook"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One of the two runs: its seal, and where its files lie."""

    seal: Mapping[str, Any]
    project: Path
    path: Path

    @property
    def name(self) -> str:
        """The run's id, or the notebook it executed."""
        subject = self.seal["content"]["subject"]
        return str(self.seal["occasion"].get("run") or subject.get("notebook") or self.path.name)

    @property
    def executed(self) -> Path | None:
        """The executed notebook, where the run was one."""
        return self.path if self.path.suffix == ".ipynb" else None

    @property
    def contents(self) -> dict[str, str]:
        """Content hash of every dataset read or written, by name."""
        data = self.seal["content"]["data"]
        return {**data["read"], **data["written"]}

    def file(self, dataset: str) -> Path | None:
        """Where a dataset of the run lies, if it is still what the run had."""
        facts = self.seal["occasion"].get("datasets", {}).get(dataset) or {}
        path = self.project / facts["path"] if facts.get("path") else None
        if path is None or not path.exists():
            return None
        as_it_was = facts.get("file_sha256") in (None, file_hash(path))
        return path if as_it_was or content_hash(path) == self.contents.get(dataset) else None

    def suffix(self, dataset: str) -> str:
        """The suffix of a dataset's file; empty where it has none."""
        facts = self.seal["occasion"].get("datasets", {}).get(dataset) or {}
        return Path(facts.get("path") or "").suffix

    def load_json(self, dataset: str) -> Any:
        """A dataset that is a JSON file; None when it is no longer there."""
        path = self.file(dataset)
        return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else None


@dataclass(frozen=True, kw_only=True)
class DataChange:
    """One dataset: ``changed``, ``only first`` or ``only second`` run has it; in detail if it can
    be read: `detail` is a TableChange, leaves of JSON, or a sentence."""

    name: str
    change: str
    made: bool
    detail: Any = None


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """One figure of a model before and after, with the interval it had.

    `weight`: the change in half widths of the earlier interval, which orders the list.
    `better`: None where neither direction is the better one.
    """

    workflow: str
    part: str
    model: str
    name: str
    before: float | None
    after: float | None
    interval: tuple[float, float] | None
    weight: float
    better: bool | None

    @property
    def change(self) -> float | None:
        """After minus before."""
        both = self.before is not None and self.after is not None
        return self.after - self.before if both else None  # type: ignore[operator]

    @property
    def outside(self) -> bool:
        """Whether the figure has left the interval it had."""
        known = self.interval is not None and self.after is not None
        return known and not (self.interval[0] <= self.after <= self.interval[1])  # type: ignore


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """One check of a report before and after: statuses, figures, limits."""

    workflow: str
    code: str
    title: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def statuses(self) -> tuple[str, str]:
        """The two statuses; ``-`` where a run had no such check."""
        found = [str(v["status"]) if v else "-" for v in (self.before, self.after)]
        return found[0], found[1]


@dataclass(frozen=True, kw_only=True)
class PictureChange:
    """One picture before and after, as data addresses; None where a run has none."""

    title: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that differs between two runs; empty parts are the same."""

    runs: tuple[Run, Run]
    code: CodeChanges
    data: tuple[DataChange, ...]
    parameters: tuple[tuple[str, Any, Any], ...]
    environment: tuple[tuple[str, Any, Any], ...]
    figures: tuple[FigureChange, ...]
    verdicts: tuple[VerdictChange, ...]
    pictures: tuple[PictureChange, ...]
    same_figures: int
    same_verdicts: int
    same_pictures: int

    @property
    def identical(self) -> bool:
        """Whether both runs have the same content."""
        first, second = self.runs
        return bool(first.seal["digest"] == second.seal["digest"])


def compare_runs(project: Path, first: Path, second: Path) -> Difference:
    """Compare two runs.

    Args:
        project: its folder.
        first, second: paths of their seals (`fin_kedro.seals.seal.find_seal`).

    Raises SealError when a seal is broken.
    """
    runs = _run(project, first), _run(project, second)
    contents = [run.seal["content"] for run in runs]
    figures, same_figures = _figures(runs)
    verdicts, same_verdicts = _verdicts(runs)
    pictures, same_pictures = _pictures(runs)
    return Difference(
        runs=runs,
        code=compare_code(
            project, [run.seal for run in runs], [read_patch(run.path) for run in runs]
        ),
        data=tuple(_data(runs)),
        parameters=tuple(leaf_changes(*(c["parameters"] for c in contents))),
        environment=tuple(_environment(*(c["environment"] for c in contents))),
        figures=figures,
        verdicts=verdicts,
        pictures=pictures,
        same_figures=same_figures,
        same_verdicts=same_verdicts,
        same_pictures=same_pictures,
    )


def _run(project: Path, path: Path) -> Run:
    seal = read_seal(path)
    check_seal(seal)
    beside = path.with_name("occasion.json")  # an executed notebook carries no times
    found = _json(beside) if "occasion" not in seal and beside.is_file() else {}
    return Run(seal={"occasion": found, **seal}, project=project, path=path)


def _environment(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ; of lists (processor features) what one side has and the other has not."""
    for name, old, new in leaf_changes(first, second):
        if isinstance(old, list) and isinstance(new, list):
            less, more = ([v for v in a if v not in b] for a, b in ((old, new), (new, old)))
            yield name, less, more
        else:
            yield name, old, new


# Data


def _data(runs: tuple[Run, Run]) -> Iterator[DataChange]:
    """Datasets that differ: those read and not made first, as they are causes."""
    first, second = (run.contents for run in runs)
    written = [run.seal["content"]["data"]["written"] for run in runs]
    names = sorted({*first, *second}, key=lambda n: (n in written[0] or n in written[1], n))
    for name in names:
        made = name in written[0] or name in written[1]
        if name not in first or name not in second:
            change = "only first" if name in first else "only second"
            yield DataChange(name=name, change=change, made=made)
        elif first[name] != second[name]:
            yield DataChange(name=name, change="changed", made=made, detail=_detail(runs, name))


def _detail(runs: tuple[Run, Run], name: str) -> Any:
    """What differs inside a dataset, as far as its kind lets us say."""
    executed = [run.executed for run in runs]
    written = [run.seal["content"]["data"]["written"] for run in runs]
    if all(executed) and all(name in names for names in written):
        return _cells_that_differ(*(path for path in executed if path))
    before, after = (run.file(name) for run in runs)
    if before is None or after is None:
        return "the file of one run is gone or was changed since; its content hash is known only."
    if before.suffix != after.suffix:
        return f"another kind of file: {before.suffix} before, {after.suffix} after."
    try:
        return _compare_files(before, after)
    except Exception as error:  # a file may be anything; what it says must not end the comparison
        return f"it cannot be read for a closer look: {error}"


def _compare_files(before: Path, after: Path) -> Any:
    from fin_kedro.changes.table_difference import TABLES, compare_tables

    if before.is_file() and max(p.stat().st_size for p in (before, after)) > MOST_BYTES:
        return "a large file; its content hash is compared only."
    if before.suffix in TABLES:
        return compare_tables(before, after)
    if before.is_dir():
        return _files_that_differ(before, after)
    if before.suffix == ".json":
        return leaf_changes(*(_indexed(_json(path)) for path in (before, after)))
    if before.suffix == ".ipynb":
        return _cells_that_differ(before, after)
    sizes = [path.stat().st_size for path in (before, after)]
    return f"{sizes[0]:,} bytes before, {sizes[1]:,} after."


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _indexed(content: Any) -> Any:
    """Lists as mappings by place, so that one leaf that differs is one line."""
    if isinstance(content, list):
        return {f"[{number}]": _indexed(entry) for number, entry in enumerate(content)}
    if isinstance(content, Mapping):
        return {key: _indexed(value) for key, value in content.items()}
    return content


def _files_that_differ(before: Path, after: Path) -> str:
    files = [
        {
            f.relative_to(folder).as_posix(): content_hash(f)
            for f in folder.rglob("*")
            if f.is_file()
        }
        for folder in (before, after)
    ]
    names = sorted({n for n in {*files[0], *files[1]} if files[0].get(n) != files[1].get(n)})
    return f"a folder; other files: {', '.join(names)}."


def _cells_that_differ(before: Path, after: Path) -> str:
    from fin_kedro.storage.canonical import canonical_outputs

    first, second = canonical_outputs(before), canonical_outputs(after)
    changed = [cell for cell in second if first.get(cell) != second[cell]]
    return (
        f"{len(changed)} of {len(second)} code cells put out something else "
        f"({sum(cell not in second for cell in first)} cells are gone)."
    )


# Figures


def _figures(runs: tuple[Run, Run]) -> tuple[tuple[FigureChange, ...], int]:
    """Figures that differ, those that left their interval first; and how many do not."""
    found: list[FigureChange] = []
    same = 0
    for name in _named(runs, ".metrics"):
        workflow = name.removesuffix(".metrics")
        tables = [dict(_each_figure(run.load_json(name) or {})) for run in runs]
        for key in {**tables[0], **tables[1]}:
            before, after = tables[0].get(key), tables[1].get(key)
            if before == after:
                same += 1
            else:
                found.append(_figure(workflow, key, before, after))
    decides = _deciding_models(runs)
    found.sort(
        key=lambda f: (decides.get(f.workflow) != f.model, f.part != "test", -f.weight, f.name)
    )
    return tuple(found), same


def _named(runs: tuple[Run, Run], ending: str) -> list[str]:
    names = {n for run in runs for n in run.contents if n.endswith(ending)}
    return sorted(names)


def _each_figure(metrics: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """``{part: {model: {figure: {"value", "low", "high"}}}}`` as pairs of key and figure."""
    for part, models in metrics.items():
        for model, figures in models.items():
            for name, figure in figures.items():
                yield (part, model, name), figure


def _figure(workflow: str, key: tuple[str, str, str], before: Any, after: Any) -> FigureChange:
    old, new = ((figure or {}).get("value") for figure in (before, after))
    low, high = ((before or {}).get(end) for end in ("low", "high"))
    interval = (low, high) if low is not None and high is not None else None
    change = new - old if old is not None and new is not None else None
    return FigureChange(
        workflow=workflow, part=key[0], model=key[1], name=key[2],
        before=old, after=new, interval=interval,
        weight=_weight(change, old, interval), better=_better(key[2], change),
    )  # fmt: skip


def _weight(
    change: float | None, before: float | None, interval: tuple[float, float] | None
) -> float:
    if change is None:
        return float("inf")
    half = (interval[1] - interval[0]) / 2 if interval else 0.0
    return abs(change) / (half or abs(before or 0.0) or 1.0)


def _better(name: str, change: float | None) -> bool | None:
    if not change:
        return None
    if name.startswith(LESS):
        return change < 0
    return change > 0 if name.startswith(MORE) else None


def _deciding_models(runs: tuple[Run, Run]) -> dict[str, str]:
    """Which model decides, by workflow, in the second run."""
    names = _named(runs, ".decision_policy")
    found = {n.removesuffix(".decision_policy"): runs[1].load_json(n) for n in names}
    return {workflow: str(policy["model"]) for workflow, policy in found.items() if policy}


# Verdicts


def _verdicts(runs: tuple[Run, Run]) -> tuple[tuple[VerdictChange, ...], int]:
    """Checks whose outcome differs, a changed status first; and how many do not."""
    found: list[VerdictChange] = []
    same = 0
    for name in _named(runs, ".verdicts") or [NOTEBOOK] * all(run.executed for run in runs):
        tables = [{v["code"]: v for v in _recorded(run, name)} for run in runs]
        for code in {**tables[0], **tables[1]}:
            before, after = tables[0].get(code), tables[1].get(code)
            if before == after:
                same += 1
                continue
            title = (after or before or {})["title"]
            workflow = name.removesuffix(".verdicts")
            found.append(
                VerdictChange(workflow=workflow, code=code, title=title, before=before, after=after)
            )
    found.sort(key=_by_change_of_status)
    return tuple(found), same


def _recorded(run: Run, name: str) -> list[dict[str, Any]]:
    """The verdicts of a run's report, or those that an executed notebook recorded."""
    if run.executed is None:
        return list((run.load_json(name) or {}).get("verdicts", ()))
    from fin_kedro.reports.record import RecordError, read_record

    try:
        return read_record(_json(run.executed))
    except RecordError:
        return []


def _by_change_of_status(change: VerdictChange) -> tuple[bool, int, bool, str]:
    before, after = change.statuses
    gate = bool((change.after or change.before or {}).get("gate"))
    return before == after, SEVERITY.get(after, 4), not gate, change.code


# Pictures


def _pictures(runs: tuple[Run, Run]) -> tuple[tuple[PictureChange, ...], int]:
    """Pictures that differ, of datasets and of executed notebooks; and how many do not."""
    found: list[PictureChange] = []
    same = 0
    for title, before, after, differ in (*_of_datasets(runs), *_of_notebooks(runs)):
        if differ:
            found.append(PictureChange(title=title, before=before(), after=after()))
        else:
            same += 1
    return tuple(found), same


Picture = tuple[str, Callable[[], str | None], Callable[[], str | None], bool]


def _of_datasets(runs: tuple[Run, Run]) -> Iterator[Picture]:
    first, second = (run.contents for run in runs)
    for name in sorted({*first, *second}):
        if any(run.suffix(name) in PICTURES for run in runs):
            shown = [_shown_file(run, name) for run in runs]
            yield name, shown[0], shown[1], first.get(name) != second.get(name)


def _shown_file(run: Run, name: str) -> Callable[[], str | None]:
    def shown() -> str | None:
        path = run.file(name)
        if path is None or path.suffix not in PICTURES:
            return None
        return _address(PICTURES[path.suffix], base64.b64encode(path.read_bytes()).decode())

    return shown


def _of_notebooks(runs: tuple[Run, Run]) -> Iterator[Picture]:
    names = {n for run in runs for n in run.contents if run.suffix(n) == ".ipynb"}
    pairs = {name: [run.file(name) for run in runs] for name in names}
    pairs[NOTEBOOK] = [run.executed for run in runs]
    for name, files in sorted(pairs.items()):
        if not all(path is not None and path.suffix == ".ipynb" for path in files):
            continue
        first, second = ([*_of_cells(_json(path))] for path in files if path)
        before = {key: picture for key, _, picture in first}
        for key, title, picture in second:
            old = before.get(key)
            differ = old is None or _pixels(old) != _pixels(picture)
            yield f"{name}: {title}", _png(old), _png(picture), differ


def _of_cells(notebook: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], str, str]]:
    """Pictures of an executed notebook: cell and place, what it shows, base64."""
    for cell in notebook["cells"]:
        outputs = [o for o in cell.get("outputs", ()) if "image/png" in o.get("data", {})]
        for number, output in enumerate(outputs):
            facts = output.get("metadata", {}).get("image/png", {})
            data = output["data"]["image/png"]
            text = (data if isinstance(data, str) else "".join(data)).replace("\n", "")
            yield (str(cell.get("id")), number), facts.get("alt") or "a picture", text


def _pixels(picture: str) -> str:
    return content_hash(base64.b64decode(picture), ".png")


def _png(picture: str | None) -> Callable[[], str | None]:
    return lambda: _address("image/png", picture) if picture else None


def _address(kind: str, data: str) -> str:
    return f"data:{kind};base64,{data}"
