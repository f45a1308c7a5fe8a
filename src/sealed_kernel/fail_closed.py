"""What a notebook must hold to before, during and after its execution, and how failure is said.

Everything here works on the notebook (nbformat 4); what only the kernel can see is in `watch`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealed_kernel.honesty import cells_of, judge
from sealed_kernel.parameters import TAG as PARAMETERS
from sealed_kernel.parameters import check_parameters, declared_parameters, injected_parameters
from sealed_kernel.screening import Screen

GATE = "gate"
LITERAL_GATE = re.compile(r"""(?<!\w)gate\(\s*(["'])(?P<name>[^"'\n]+)\1""")
COMMENT = re.compile(r"#.*$", re.MULTILINE)
LISTED_GATES = re.compile(r"^#\s*gates:\s*(.+)$", re.MULTILINE)
RECORD = re.compile(r"verdicts\+json$")


class RefusalError(ValueError):
    """The notebook may not be executed; nothing was."""


@dataclass(frozen=True)
class Failure:
    """What stopped an execution, or makes it void: at which cell (index from 0), and why."""

    index: int
    name: str
    message: str


def check_before(notebook: Any, screen: Screen) -> None:
    """Raise RefusalError unless parameters, their values and the order of saved cells are sound."""
    disorder = [f.message for f in judge(cells_of(notebook)) if f.kind == "order"]
    if disorder:
        raise RefusalError(
            f"the notebook was saved out of order: {'; '.join(disorder)}. From the top it gives "
            "other results than those its author saw: run it from the top, or clear its outputs."
        )
    check_parameters(declared_parameters(notebook), injected_parameters(notebook))
    for index, cell in enumerate(notebook["cells"]):
        kinds = screen.of_cell({**cell, "outputs": []}, index)
        if kinds:
            raise RefusalError(
                f"a parameter holds {kinds[0].kind}; it would be saved with the notebook. "
                "Read it in the notebook from the environment or from conf/local."
            )


def is_code(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is code that has to run."""
    return cell["cell_type"] == "code" and bool("".join(cell["source"]).strip())


def tagged_gate(cell: Mapping[str, Any]) -> str | None:
    """The gate that a cell is, by its tag `gate` or `gate:NAME`; without a name, its id."""
    for tag in cell["metadata"].get("tags", []):
        kind, _, name = tag.partition(":")
        if kind == GATE:
            return name.strip() or str(cell.get("id", GATE))
    return None


def gate_plan(notebook: Any) -> dict[int, str]:
    """The gates that cells are, by the execution count that each cell will have."""
    code = [cell for cell in notebook["cells"] if is_code(cell)]
    named = ((count, tagged_gate(cell)) for count, cell in enumerate(code, 1))
    return {count: name for count, name in named if name}


def declared_gates(notebook: Any, more: Iterable[str] = ()) -> dict[str, int]:
    """Every gate that has to be reached, with the index of the cell that declares it.

    A gate is declared by a cell's tag, by `gate("name", ...)` in a cell's code (where the notebook
    imports it from `sealed_kernel`), by a line `# gates: name, name` in the parameters cell, or in
    `more` (told to the last cell).
    """
    found: dict[str, int] = {}
    cells = [(n, cell, "".join(cell["source"])) for n, cell in enumerate(notebook["cells"])]
    ours = any("sealed_kernel" in source for _, cell, source in cells if is_code(cell))
    for index, cell, source in cells:
        if not is_code(cell):
            continue
        calls = LITERAL_GATE.finditer(COMMENT.sub("", source)) if ours else ()
        names = [match["name"] for match in calls]
        if PARAMETERS in cell["metadata"].get("tags", []):
            listed = LISTED_GATES.findall(source)
            names += [name.strip() for line in listed for name in line.split(",")]
        for name in [tagged_gate(cell), *names]:
            if name:
                found.setdefault(name, index)
    return found | {name: last_code(notebook) for name in more if name not in found}


def last_code(notebook: Any) -> int:
    """Index of the last code cell; 0 where there is none."""
    return max((n for n, cell in enumerate(notebook["cells"]) if is_code(cell)), default=0)


def unreached_gates(
    notebook: Any, declared: Mapping[str, int], gates: Mapping[str, str]
) -> list[Failure]:
    """Declared gates that no cell called, and that no recorded verdict stands for."""
    codes = _recorded_codes(notebook)
    missing = [
        name
        for name in declared
        if name not in gates and not any(c == name or c.startswith(f"{name}-") for c in codes)
    ]
    return [
        Failure(declared[name], "GateNotReached", f"gate {name!r} was declared and not reached.")
        for name in missing
    ]


def _recorded_codes(notebook: Any) -> set[str]:
    """Codes of the verdicts that a report has recorded in its outputs."""
    marks = [
        data
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        for mime, data in output.get("data", {}).items()
        if RECORD.search(mime) and isinstance(data, Mapping)
    ]
    return {str(v.get("code")) for mark in marks for v in mark.get("verdicts", [])}


def check_executed(notebook: Any) -> list[Failure]:
    """Cells that did not run, or not in the order of the notebook: counts must be 1, 2, 3 …."""
    failures = []
    numbered = [(n, cell) for n, cell in enumerate(notebook["cells"]) if is_code(cell)]
    for expected, (index, cell) in enumerate(numbered, 1):
        failure = count_failure(cell, index, expected)
        if failure:
            failures.append(failure)
    return failures


def count_failure(cell: Mapping[str, Any], index: int, expected: int) -> Failure | None:
    """What a code cell's execution count says: that it did not run, or other code ran before."""
    count = cell.get("execution_count")
    if count is None:
        return Failure(index, "NotExecuted", "the cell was not executed.")
    if count != expected:
        message = f"it ran as number {count} and is number {expected}: other code ran in between."
        return Failure(index, "OutOfOrder", message)
    return None


def named(notebook: Any, index: int) -> dict[str, Any]:
    """How a cell is named to people: its number among code cells from 1, id and first line."""
    cells = notebook["cells"]
    number = sum(cell["cell_type"] == "code" for cell in cells[: index + 1])
    lines = "".join(cells[index]["source"]).strip().splitlines()
    return {"cell": number, "id": str(cells[index].get("id", "")), "line": (lines or [""])[0][:80]}


def show_failure(notebook: Any, failure: Failure) -> None:
    """Put a failure into its cell as an error output, for readers and for papermill.

    An error that the cell shows already keeps its place; only who is to blame is added to it.
    """
    import nbformat

    cell = notebook["cells"][failure.index]
    who = "cell {cell} (#{id}): {line}".format(**named(notebook, failure.index))
    shown = [o for o in cell["outputs"] if o["output_type"] == "error"]
    if shown and shown[-1]["ename"] == failure.name:
        shown[-1]["traceback"] = [*shown[-1]["traceback"], f"in {who}"]
        return
    cell["outputs"].append(
        nbformat.v4.new_output(
            "error",
            ename=failure.name,
            evalue=failure.message,
            traceback=[f"{failure.name}: {failure.message}", f"in {who}"],
        )
    )
