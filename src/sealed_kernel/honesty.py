"""Whether a notebook's results are those of its cells, run once each from the top.

`judge` is a pure function over the document and the executions that a kernel saw. Of a saved file
alone only the execution counts are known; a file that the fin-kedro kernel ran carries what it
saw in `metadata.language_info.fin_kedro.executions`, so that an edit after the run is seen too.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["order", "edited", "not run", "foreign", "unfinished", "gone", "again", "counts"]
# results shown are not what the cells, run from the top, would give; the others leave doubt
GRAVE: frozenset[Kind] = frozenset({"order", "edited", "not run", "foreign"})
OURS = ("%seal", "%reload_kedro")  # a cell of nothing but these leaves no trace in a result


@dataclass(frozen=True)
class Cell:
    """A code cell of the document: its number from 1, id, source, count shown, and whether it
    shows outputs."""

    number: int
    id: str | None
    source: str
    count: int | None = None
    has_outputs: bool = False


@dataclass(frozen=True)
class Execution:
    """One execution: digest of the source, the count it was given, the cell's id if told."""

    source: str
    count: int | None = None
    cell: str | None = None


@dataclass(frozen=True)
class Finding:
    """What is not as it should be, in which cells (numbers from 1), in words."""

    kind: Kind
    cells: tuple[int, ...]
    message: str

    @property
    def grave(self) -> bool:
        """Whether results are shown that the cells, run from the top, would not give."""
        return self.kind in GRAVE

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def digest(source: str) -> str:
    """What two texts of the same code share: blank ends of lines do not count."""
    lines = "\n".join(line.rstrip() for line in source.splitlines()).strip("\n")
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def leaves_no_trace(source: str) -> bool:
    """Whether code is nothing but `%seal` and the like."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return all(line.startswith(OURS) for line in lines)


def cells_of(notebook: Mapping[str, Any]) -> list[Cell]:
    """The code cells of a notebook's JSON."""
    code = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    return [
        Cell(
            number,
            cell.get("id"),
            "".join(cell.get("source", "")),
            cell.get("execution_count"),
            bool(cell.get("outputs")),
        )
        for number, cell in enumerate(code, 1)
    ]


def executions_of(notebook: Mapping[str, Any]) -> list[Execution] | None:
    """What the kernel saw, as an executed notebook carries it; None when it does not."""
    info = notebook.get("metadata", {}).get("language_info", {})
    seen = info.get("fin_kedro", {}).get("executions")
    return None if seen is None else [Execution(*entry) for entry in seen]


def judge_notebook(notebook: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Judge a saved notebook that claims to be a finished run.

    papermill keeps the kernel's record of the whole run. nbclient and JupyterLab ask for it before
    the run ends: a record that stops short is of no use, and the counts are judged instead.
    """
    cells, seen = cells_of(notebook), executions_of(notebook)
    last = max((cell.count or 0 for cell in cells), default=0)
    if seen is not None and max((e.count or 0 for e in seen), default=0) < last:
        seen = None
    return judge(cells, seen, complete=True)


def judge(
    cells: Sequence[Cell],
    executions: Sequence[Execution] | None = None,
    *,
    complete: bool = False,
    saved: int | None = None,
) -> tuple[Finding, ...]:
    """Findings over the document's code cells and what the kernel saw, graver ones first.

    `executions` in the order they began, those of `leaves_no_trace` left out; None when only the
    saved file is known: then its counts are judged. `complete`: cells at the end that were not
    run are a finding too, as in a notebook that is handed on. `saved`: how many executions began
    before the document was saved (None: all); what was run later shows what a cell holds now.
    """
    every = cells
    cells = [cell for cell in cells if cell.source.strip() and not leaves_no_trace(cell.source)]
    if executions is None:
        when = {cell.number: cell.count for cell in cells}
        found = [*_miscounted(every)]
    else:
        links = _links(cells, executions)
        when = {number: positions[-1] if positions else None for number, positions in links.items()}
        before = len(executions) if saved is None else saved
        found = [*_history(cells, executions, links, before)]
    foreign = {number for finding in found if finding.kind == "foreign" for number in finding.cells}
    own = {n: moment for n, moment in when.items() if moment is not None or n not in foreign}
    order = [*_disordered(own)]
    if order:  # a cell that was run again out of order is told of once
        found = [f for f in found if f.kind != "again" or set(f.cells) - set(order[0].cells)]
    found += [*order, *_not_run(own, complete)]
    return tuple(sorted(found, key=lambda f: (not f.grave, f.cells, f.kind)))


def _disordered(when: Mapping[int, int | None]) -> Iterable[Finding]:
    """Cells that were run before one above, or after one below: as few as explain it."""
    run = [(number, moment) for number, moment in sorted(when.items()) if moment is not None]
    kept = set(_longest_rise([moment for _, moment in run]))
    blamed = [number for index, (number, _) in enumerate(run) if index not in kept]
    if len(blamed) > 1:
        yield Finding("order", tuple(blamed), f"{_named(blamed)} were run out of order")
    for number in blamed[:1] if len(blamed) == 1 else []:
        own = dict(run)[number]
        below = [n for n, moment in run if n > number and moment < own]
        other, words = (
            (below[0], "after {}, which stands below it")
            if below
            else (next(n for n, m in run if m > own), "before {}, which stands above it")
        )
        yield Finding("order", (number,), f"cell {number} was run {words.format(f'cell {other}')}")


def _longest_rise(moments: Sequence[int]) -> list[int]:
    """Indices of a longest part of `moments` that never falls."""
    tails: list[int] = []
    best: list[int] = []
    before: list[int | None] = []
    for index, moment in enumerate(moments):
        place = bisect_right(tails, moment)
        before.append(best[place - 1] if place else None)
        tails[place : place + 1], best[place : place + 1] = [moment], [index]
    rise: list[int] = []
    at = best[-1] if best else None
    while at is not None:
        rise.append(at)
        at = before[at]
    return rise[::-1]


def _not_run(when: Mapping[int, int | None], complete: bool) -> Iterable[Finding]:
    run = [number for number, moment in when.items() if moment is not None]
    last = max(run, default=0)
    skipped = [n for n, moment in sorted(when.items()) if moment is None and n < last]
    if skipped:
        yield Finding(
            "not run", tuple(skipped), f"{_was(skipped)} not run, though a cell below was"
        )
    rest = [n for n in sorted(when) if n > last]
    if complete and rest:
        yield Finding("unfinished", tuple(rest), f"{_was(rest)} not run")


def _miscounted(cells: Sequence[Cell]) -> Iterable[Finding]:
    """What the counts of a saved file betray: a single run from the top counts 1, 2, 3 …."""
    counted = {cell.number: cell.count for cell in cells if cell.count is not None}
    counts = sorted(counted.values())
    shared = [n for n, count in counted.items() if counts.count(count) > 1]
    if shared:
        yield Finding(
            "foreign", tuple(shared), f"{_named(shared)} carry the same count: of two kernels"
        )
    missing = sorted(set(range(1, max(counts, default=0) + 1)) - set(counts))
    if missing:
        yield Finding(
            "counts",
            (),
            f"the counts leave out {_numbers(missing)}: code was run again, or removed",
        )
    bare = [c.number for c in cells if c.count is None and c.has_outputs]
    if bare:
        yield Finding("foreign", tuple(bare), f"{_named(bare)} with outputs, but with no count")


def _history(
    cells: Sequence[Cell],
    executions: Sequence[Execution],
    links: Mapping[int, list[int]],
    saved: int,
) -> Iterable[Finding]:
    """What the kernel's own record says of each cell."""
    sources = {cell.number: digest(cell.source) for cell in cells}
    newer = {n: found[-1] for n, found in links.items() if found and found[-1] >= saved}
    sources |= {n: executions[p].source for n, p in newer.items()}
    last = {n: executions[found[-1]].source for n, found in links.items() if found}
    edited = [n for n, source in last.items() if source != sources[n]]
    if edited:
        they = "it was" if len(edited) == 1 else "they were"
        yield Finding("edited", tuple(edited), f"{_was(edited)} edited after {they} run")
    foreign = [c.number for c in cells if not links[c.number] and (c.count or c.has_outputs)]
    if foreign:
        show = "shows a result" if len(foreign) == 1 else "show results"
        yield Finding(
            "foreign", tuple(foreign), f"{_named(foreign)} {show} that this kernel did not make"
        )
    again = [
        n
        for n, found in links.items()
        if [executions[p].source for p in found].count(sources[n]) > 1
    ]
    if again:
        yield Finding("again", tuple(again), f"{_was(again)} run more than once")
    told = {links[n][-1] for n in edited}
    known = set(sources.values())
    older = enumerate(executions[:saved])  # a later one may be of a cell that is not saved yet
    gone = sum(e.source not in known for p, e in older if p not in told)
    if gone:
        was = "execution was" if gone == 1 else "executions were"
        yield Finding("gone", (), f"{gone} {was} of code that the notebook no longer has")


def _links(cells: Sequence[Cell], executions: Sequence[Execution]) -> dict[int, list[int]]:
    """Positions of each cell's executions, by id, else by count, else by source."""
    by_id = {cell.id: cell.number for cell in cells if cell.id}
    by_count = {cell.count: cell for cell in cells if cell.count is not None}
    by_source = defaultdict(list)
    for cell in cells:
        by_source[digest(cell.source)].append(cell.number)
    links: dict[int, list[int]] = {cell.number: [] for cell in cells}
    loose: dict[str, list[int]] = defaultdict(list)
    for position, execution in enumerate(executions):
        counted = None
        if execution.cell is None and execution.count is not None:
            counted = by_count.get(execution.count)
        known = execution.source in by_source
        if execution.cell in by_id:
            links[by_id[execution.cell]].append(position)
        elif counted and (digest(counted.source) == execution.source or not known):
            links[counted.number].append(position)
        elif known:  # no id was told, or that of a cell that was cut and pasted elsewhere
            loose[execution.source].append(position)
    for source, positions in loose.items():
        _share(positions, [n for n in by_source[source] if not links[n]], links)
    return links


def _share(positions: list[int], numbers: list[int], links: dict[int, list[int]]) -> None:
    """Give cells of one source their executions: the last ones, in the document's order."""
    if not numbers:
        return
    first = max(len(positions) - len(numbers), 0)
    links[numbers[0]].extend(positions[:first])
    for number, position in zip(numbers, positions[first:], strict=False):
        links[number].append(position)


def _was(numbers: Sequence[int]) -> str:
    return _named(numbers) + (" was" if len(numbers) == 1 else " were")


def _named(numbers: Sequence[int]) -> str:
    return f"cell{'s' if len(numbers) > 1 else ''} {_numbers(numbers)}"


def _numbers(numbers: Sequence[int]) -> str:
    """`1, 3 to 5 and 9`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    texts: list[str] = []
    for span in spans:
        texts += [f"{span[0]} to {span[-1]}"] if len(span) > 2 else [str(n) for n in span]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
