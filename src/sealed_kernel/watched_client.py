"""The client that executes cell by cell, and stops at the first that it cannot vouch for."""

from __future__ import annotations

import ast
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from sealed_kernel.fail_closed import (
    Failure,
    check_executed,
    count_failure,
    gate_plan,
    is_code,
    last_code,
    named,
    show_failure,
    unreached_gates,
)
from sealed_kernel.fixed import ENDED, ENDED_WELL, STARTED
from sealed_kernel.kernel_manager import exit_status
from sealed_kernel.refusals import KernelRefused
from sealed_kernel.screening import PRIVATE, Screen, describe, withheld, withhold

Progress = Callable[[int, int], None]
WATCH = '__import__("sealed_kernel.watch", fromlist=["watch"])'
REPORT, LAST_REPORT = f"{WATCH}.report()", f"{WATCH}.report(last=True)"
NOTICED = "fin_kedro_noticed"
PATIENCE = 120  # seconds for what no cell is to blame for; a busy machine is no failure


class WatchedClient(PapermillNotebookClient):
    """papermill's client that stops at the first cell whose success it cannot vouch for.

    Outputs are screened before anything is saved, logged or handed on.
    """

    screen: Screen = Screen()
    asked: dict[str, str]
    declared: dict[str, int]
    progress: Progress | None = None
    _noticed: dict[str, Any]
    _running = 0

    def execute(self, **kwargs: Any) -> Any:
        """Execute every cell; what fails is put into its cell as an error output."""
        self.reset_execution_trackers()
        self._noticed, self._changed = {}, set[int]()
        with tempfile.TemporaryDirectory(prefix="fk-") as folder:
            ended = Path(folder, "ended")
            kwargs["env"] = {**(kwargs.get("env") or os.environ), ENDED: str(ended)}
            process = self._in_kernel(**kwargs)
            said = ended.read_text("utf-8").splitlines() if ended.exists() else []
            self._look_at_end(exit_status(process), said)
        return self.nb

    def _in_kernel(self, **kwargs: Any) -> Any:
        """Execute every cell in a kernel; its process, which has ended."""
        with self.setup_kernel(**kwargs):
            process = getattr(getattr(self.km, "provisioner", None), "process", None)
            try:
                self.papermill_execute_cells()
                info = self._reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = info["content"]["language_info"]
                self.set_widgets_metadata()
                self._screen_widgets()
            except (DeadKernelError, CellTimeoutError) as error:
                self._fail(Failure(self._running, type(error).__name__, str(error).split("\n")[0]))
                raise
        return process

    def _look_at_end(self, status: int | None, said: list[str]) -> None:
        """Fail when the notebook ended its kernel, not when the kernel fell apart by itself.

        `said`: what the kernel has said of its end (`fixed.ENDED`); nothing, if it is another one.
        What an interpreter does after the notebook's exit handlers (it stops threads of libraries
        where they stand) can end in a signal, and says nothing of the notebook. A status that is
        none of a signal was given by some code, and is an error at any time.
        """
        if "error" in self.nb.metadata.get("fin_kedro", {}):
            return
        if said[1:]:
            name, _, message = said[1].partition(": ")
            failed = Failure(last_code(self.nb), name, f"{message} (in an exit handler)")
            self._fail(failed)
            return
        if not status and said != [STARTED]:
            return
        if said == [ENDED_WELL] and status and status < 0:
            crashed = "all of the notebook's code had ended when its kernel crashed with status %s"
            logging.getLogger(__name__).warning(crashed, status)  # papermill's is often silenced
            return
        died = f"the kernel ended with status {status} after the last cell."
        if not status:
            died = "the kernel ended before the notebook's exit handlers had run."
        self._fail(Failure(last_code(self.nb), "DeadKernelError", died))

    def start_new_kernel_client(self, **kwargs: Any) -> Any:
        """Begin to watch the kernel; every cell's reply then says what was noticed in it."""
        client = super().start_new_kernel_client(**kwargs)
        self._running = next((n for n, cell in enumerate(self.nb.cells) if is_code(cell)), 0)
        send = client.execute
        try:
            self._ask(f"{WATCH}.watch({gate_plan(self.nb)!r})", {})
        except Exception:
            self._cleanup_kernel()  # nobody else would
            raise

        def execute_and_report(code: str, **options: Any) -> Any:
            return send(code, **{"user_expressions": {NOTICED: REPORT}, **options})

        client.execute = execute_and_report
        return client

    def papermill_execute_cells(self) -> None:
        """Execute cell by cell up to the first that fails; then look at the whole."""
        expected = 0
        for index, cell in enumerate(self.nb.cells):
            expected += is_code(cell)
            failure = self._one_cell(cell, index, expected)
            if self.progress is not None:
                self.progress(index + 1, len(self.nb.cells))
            if failure:
                return
        for failure in self._failures_of_the_whole():
            self._fail(failure)

    def _one_cell(self, cell: Any, index: int, expected: int) -> Failure | None:
        """Execute, screen and save one cell."""
        failure = None
        self._running, self._noticed = index, {}
        try:
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                failure = Failure(index, error.ename, error.evalue)
            cell = self.nb.cells[index]
            failure = failure or self._failure_of_cell(cell, index, expected)
        finally:
            self._changed.add(index)
            failure = self._screened(failure)
            if failure:
                self._fail(failure)
            self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
        self._log(self.nb.cells[index])
        return failure

    def _failure_of_cell(self, cell: Any, index: int, expected: int) -> Failure | None:
        """What is wrong with a cell that has ended without an exception."""
        if not is_code(cell):
            return None
        shown = next((o for o in cell.outputs if o.output_type == "error"), None)
        if shown is not None:
            return Failure(index, shown.ename, shown.evalue)
        return count_failure(cell, index, expected) or self._failure_noticed(index)

    def _failure_noticed(self, index: int) -> Failure | None:
        """What the kernel noticed, told to the cell that ran at the time."""
        problems = self._noticed.get("problems")
        if problems is None:
            lost = "the kernel no longer says what it noticed; a cell has undone the watch."
            return Failure(index, "WatchLost", lost)
        if not problems:
            return None
        first, *others = problems
        message = first["message"]
        if others:
            message += " Also: " + " ".join(f"{p['name']}: {p['message']}" for p in others)
        return Failure(self._index_of(first["cell"], index), first["name"], message)

    def _index_of(self, count: int, otherwise: int) -> int:
        """The cell that ran with an execution count."""
        cells = enumerate(self.nb.cells)
        return next((n for n, c in cells if c.get("execution_count") == count), otherwise)

    def _failures_of_the_whole(self) -> list[Failure]:
        """What shows only at the end: forgotten failures, gates that nobody reached."""
        last = last_code(self.nb)
        answers = self._ask("", {NOTICED: LAST_REPORT, **self.asked})
        self._note(answers)
        fin_kedro = self.nb.metadata.setdefault("fin_kedro", {})
        fin_kedro["answers"] = {name: answers.get(name) for name in self.asked}
        gates = self._noticed.get("gates", {})
        if gates:
            fin_kedro["gates"] = dict(sorted(gates.items()))
        noticed = self._failure_noticed(last)
        missing = unreached_gates(self.nb, self.declared, gates)
        return [*([noticed] if noticed else []), *check_executed(self.nb), *missing]

    # --- screening ---------------------------------------------------------------------------

    def _screened(self, failure: Failure | None) -> Failure | None:
        """Take out what may not be shown of every cell that has changed."""
        for index in sorted(self._changed):
            cell = self.nb.cells[index]
            if cell.cell_type != "code" or not cell.get("outputs") or withheld(cell):
                continue
            if PRIVATE in cell.metadata.get("tags", []):
                withhold(cell, f"the cell is tagged {PRIVATE!r}")
                continue
            failed = failure if failure and failure.index == index else None
            if findings := self.screen.of_cell(cell, index):
                withhold(cell, ", ".join(sorted({f.kind for f in findings})))
                also = f" The cell also failed with {failed.name}." if failed else ""
                said = f"the cell {describe(findings)}{also}"
                failure = Failure(index, "DisclosureError", said)
        self._changed = set()
        return failure

    def _discreet(self, failure: Failure) -> Failure:
        """A failure whose message does not say what its cell may not show."""
        private = PRIVATE in self.nb.cells[failure.index].metadata.get("tags", [])
        kinds = sorted(self.screen.kinds(failure.message))
        if not private and not kinds:
            return failure
        why = "the cell is private" if private else f"it shows {', '.join(kinds)}"
        return Failure(failure.index, failure.name, f"[message withheld: {why}]")

    def _screen_widgets(self) -> None:
        """Widgets keep their texts beside the cells."""
        kinds = sorted(self.screen.kinds(json.dumps(self.nb.metadata.get("widgets", {}))))
        if kinds:
            del self.nb.metadata["widgets"]
            said = f"a widget shows {', '.join(kinds)}. The state of the widgets was not kept."
            self._fail(Failure(last_code(self.nb), "DisclosureError", said))

    def _update_display_id(self, display_id: str, msg: Any) -> None:
        """A cell may change what an earlier one shows: that one is screened again."""
        super()._update_display_id(display_id, msg)
        self._changed |= set(self._display_id_map.get(display_id, {}))

    def process_message(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a message; nothing is saved or logged before the cell is screened."""
        return super(PapermillNotebookClient, self).process_message(*args, **kwargs)

    def _log(self, cell: Any) -> None:
        if self.log_output or self.stdout_file or self.stderr_file:
            for output in cell.get("outputs", []):
                self.log_output_message(output)

    # --- the kernel's word -------------------------------------------------------------------

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: Any) -> None:
        """Note what the kernel says beside the cell's own outcome."""
        content = (exec_reply or {}).get("content", {})
        if content.get("status") == "ok":
            self._note(_answers(content))
        await super()._check_raise_for_error(cell, cell_index, exec_reply)

    def _note(self, answers: Mapping[str, str | None]) -> None:
        text = answers.get(NOTICED)
        self._noticed = json.loads(text) if text else {}

    def _ask(self, code: str, expressions: Mapping[str, str]) -> dict[str, str | None]:
        """Execute code without a trace in the notebook; what the expressions give, as texts.

        None stands for an expression that failed. Raises what the code raises, as an error of
        the notebook's first cell: a kernel that refuses to run says why.
        """
        message = self.kc.execute(
            code, silent=True, store_history=False, user_expressions=dict(expressions)
        )
        reply = self._reply(message)
        content = reply["content"] if reply else {"status": "error", "ename": "DeadKernelError"}
        if content["status"] != "ok":
            raise KernelRefused(f"{content['ename']}: {content.get('evalue', 'no answer')}")
        return _answers(content)

    def _reply(self, message: str) -> Any:
        """The answer to a message of ours, for which a cell's own timeout may be too short."""
        timeout: int | None = self.timeout  # type: ignore[has-type]
        self.timeout = max(timeout, PATIENCE) if timeout else None
        try:
            return self.wait_for_reply(message)
        finally:
            self.timeout = timeout

    def _fail(self, failure: Failure) -> None:
        """Show a failure in its cell, and say it in the notebook's metadata."""
        failure = self._discreet(failure)
        cell = self.nb.cells[failure.index]
        if cell.cell_type == "code":
            show_failure(self.nb, _closed(failure))
        self.nb_man.cell_exception(cell, cell_index=failure.index)
        fin_kedro = self.nb.metadata.setdefault("fin_kedro", {})
        said = {**named(self.nb, failure.index), "name": failure.name, "message": failure.message}
        fin_kedro.setdefault("error", said)


def _closed(failure: Failure) -> Failure:
    """papermill lets `sys.exit(0)` pass by its name; an early exit is an error here."""
    if failure.name != "SystemExit":
        return failure
    message = f"sys.exit({failure.message}) before the notebook's end."
    return Failure(failure.index, "EarlyExit", message)


def _answers(content: Mapping[str, Any]) -> dict[str, str | None]:
    """What user expressions gave, each as the text it is."""
    return {
        name: ast.literal_eval(answer["data"]["text/plain"]) if answer["status"] == "ok" else None
        for name, answer in content.get("user_expressions", {}).items()
    }
