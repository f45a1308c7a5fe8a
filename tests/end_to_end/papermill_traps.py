"""Notebooks that plain papermill passes though something in them failed, and how ours answers.

`python -m tests.end_to_end.papermill_traps` writes the table of docs/notebook-execution.md anew.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill

from fin_kedro.reports.execution import quiet_papermill

PAGE = Path(__file__).parents[2] / "docs" / "notebook-execution.md"
BEGIN, END = "<!-- traps: begin -->\n", "<!-- traps: end -->"
PARAMETERS = "rows: int = 3  # [1..100] rows to draw (rows)"
DONE = "print('done')"
GATE = "from sealed_kernel.watch import gate\n"


@dataclass(frozen=True, kw_only=True)
class Trap:
    """A notebook named by what it does.

    `cells`: sources after the parameters cell; `tags` by index of these. `ours`: the error that
    our engine gives, and the id of the cell it names (None: refused before anything ran).
    `plain`: the error that plain papermill gives, if it truly gives one.
    """

    kind: str
    name: str
    cells: tuple[str, ...]
    ours: str
    cell: str | None
    plain: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[int, str] = field(default_factory=dict)
    counts: tuple[int, ...] = ()


TRAPS = (
    Trap(
        kind="failed shell command",
        name="`!false`",
        cells=("!false", DONE),
        ours="ShellError",
        cell="c0",
    ),
    Trap(
        kind="misspelt parameter",
        name="`rws=7` for `rows`",
        cells=(DONE,),
        parameters={"rws": 7},
        ours="Refused",
        cell=None,
    ),
    Trap(
        kind="wrong type",
        name="`rows='many'` for an int",
        cells=("total = 2 * rows", DONE),
        parameters={"rows": "many"},
        ours="Refused",
        cell=None,
    ),
    Trap(
        kind="exit before a gate",
        name="`sys.exit(0)`, then a failing `assert`",
        cells=("import sys\nsys.exit(0)", "assert False, 'the gate'"),
        ours="EarlyExit",
        cell="c0",
    ),
    Trap(
        kind="dead kernel",
        name="the kernel crashes after its last reply",
        cells=("import atexit, os\natexit.register(os._exit, 11)", DONE),
        ours="DeadKernelError",
        cell="c1",
    ),
    Trap(
        kind="swallowed exception",
        name="`try: gate(...) except: pass`",
        cells=(f"{GATE}try:\n    gate('AUC', 0.6 > 0.7)\nexcept Exception:\n    pass", DONE),
        ours="GateFailed",
        cell="c0",
    ),
    Trap(
        kind="unreached gate",
        name="a gate in a branch that is not taken",
        cells=(f"{GATE}if rows > 100:\n    gate('AUC', False)", DONE),
        ours="GateNotReached",
        cell="c0",
    ),
    Trap(
        kind="cell order",
        name="saved after it was run from below",
        cells=("limit = 0.9", "limit = 0.5", "print('pass' if 0.7 > limit else 'fail')"),
        counts=(2, 1, 3),
        ours="Refused",
        cell=None,
    ),
)
MORE = (
    Trap(
        kind="failed shell command",
        name="a failing line of `%%bash`",
        cells=("%%bash\nfalse\necho on", DONE),
        ours="CalledProcessError",
        cell="c0",
    ),
    Trap(
        kind="failed shell command",
        name="the left side of a pipe, `!false | cat`",
        cells=("!false | cat", DONE),
        ours="ShellError",
        cell="c0",
    ),
    Trap(
        kind="failed shell command",
        name="`files = !ls nowhere`",
        cells=("files = !ls nowhere", DONE),
        ours="ShellError",
        cell="c0",
    ),
    Trap(
        kind="wrong type",
        name="`rows=1000`, outside its range",
        cells=(DONE,),
        parameters={"rows": 1000},
        ours="Refused",
        cell=None,
    ),
    Trap(
        kind="exit before a gate",
        name="`exit()`",
        cells=("exit()", DONE),
        ours="EarlyExit",
        cell="c0",
    ),
    Trap(
        kind="dead kernel",
        name="`os._exit(0)` in a cell",
        cells=("import os\nos._exit(0)", DONE),
        ours="DeadKernelError",
        cell="c0",
        plain="DeadKernelError",
    ),
    Trap(
        kind="swallowed exception",
        name="`try: assert ... except: pass` in a cell tagged `gate`",
        cells=("try:\n    assert False\nexcept AssertionError:\n    pass", DONE),
        tags={0: "gate:AUC"},
        ours="SwallowedError",
        cell="c0",
    ),
    Trap(
        kind="swallowed exception",
        name="in a thread",
        cells=(
            "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()",
            DONE,
        ),
        ours="ZeroDivisionError",
        cell="c0",
    ),
    Trap(
        kind="swallowed exception",
        name="in an executor, the result never asked for",
        cells=(
            "from concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor() as pool:\n    done = pool.submit(lambda: 1 / 0)",
            DONE,
        ),
        ours="ZeroDivisionError",
        cell="c0",
    ),
    Trap(
        kind="swallowed exception",
        name="in an asyncio task that nobody awaits",
        cells=(
            "import asyncio\nasync def fail():\n    assert False\n"
            "task = asyncio.create_task(fail())\nawait asyncio.sleep(0.01)",
            DONE,
        ),
        ours="AssertionError",
        cell="c1",
    ),
    Trap(
        kind="unreached gate",
        name="`check()` is a coroutine and not awaited",
        cells=("async def check():\n    assert False\nwaiting = check()", DONE),
        ours="NeverAwaited",
        cell="c1",
    ),
    Trap(
        kind="unreached gate",
        name="the cell is tagged `skip-execution`",
        cells=("assert False", DONE),
        tags={0: "skip-execution"},
        ours="NotExecuted",
        cell="c0",
    ),
    Trap(
        kind="cell order",
        name="a cell runs other code as a cell",
        cells=("get_ipython().run_cell('rows = 50', store_history=True)", DONE),
        ours="OutOfOrder",
        cell="c0",
    ),
)


@dataclass(frozen=True)
class Answer:
    """What an engine said of a trap: its error's name ("" for none), message, the kept notebook."""

    error: str
    message: str
    kept: nbformat.NotebookNode | None

    @property
    def named(self) -> str | None:
        """The id of the cell that the kept notebook blames."""
        error = self.kept.metadata.get("fin_kedro", {}).get("error") if self.kept else None
        return error["id"] if error else None


def write(trap: Trap, folder: Path) -> Path:
    """Write the trap's notebook."""
    cells = [nbformat.v4.new_code_cell(PARAMETERS, id="given", metadata={"tags": ["parameters"]})]
    for index, source in enumerate(trap.cells):
        tags = [trap.tags[index]] if index in trap.tags else []
        cell = nbformat.v4.new_code_cell(source, id=f"c{index}", metadata={"tags": tags})
        cell.execution_count = trap.counts[index] + 1 if trap.counts else None
        cells.append(cell)
    cells[0].execution_count = 1 if trap.counts else None
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = folder / "trap.ipynb"
    nbformat.write(notebook, path)
    return path


def run(trap: Trap, engine: str | None, folder: Path) -> Answer:
    """Execute a trap on one of papermill's engines (None: its own)."""
    folder.mkdir(parents=True, exist_ok=True)
    source, target = write(trap, folder), folder / "executed.ipynb"
    error: Exception | None = None
    with quiet_papermill():
        try:
            papermill.execute_notebook(
                source,
                target,
                parameters=dict(trap.parameters),
                engine_name=engine,
                progress_bar=False,
            )
        except Exception as failure:
            error = failure
    kept = nbformat.read(target, as_version=4) if target.exists() else None
    if error is None:
        return Answer("", "", kept)
    name = getattr(error, "ename", type(error).__name__)
    return Answer(name, str(getattr(error, "evalue", error)), kept)


def run_both(trap: Trap, folder: Path) -> tuple[Answer, Answer]:
    """Execute a trap on papermill's own engine and on ours, side by side."""
    with ThreadPoolExecutor(2) as pool:
        plain = pool.submit(run, trap, None, folder / "plain")
        ours = pool.submit(run, trap, "fin-kedro", folder / "ours")
        return plain.result(), ours.result()


def statuses(notebook: nbformat.NotebookNode) -> list[str]:
    """What papermill wrote about each code cell: completed, failed or pending."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.metadata.papermill.status for cell in code]


def table() -> str:
    """The traps in Markdown, run anew."""
    lines = [
        "| trap | in the notebook | plain papermill | engine `fin-kedro` |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number, trap in enumerate((*TRAPS, *MORE)):
            plain, ours = run_both(trap, Path(folder) / str(number))
            passed = "passes" if not plain.error else f"fails: {plain.error}"
            where = "nothing is executed" if ours.kept is None else f"cell `{ours.named}` named"
            row = (trap.kind, trap.name, passed, f"{ours.error}; {where}")
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table into the page, between its marks."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table() + END + after, "utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(TRAPS) + len(MORE)} traps\n")


if __name__ == "__main__":
    main()
