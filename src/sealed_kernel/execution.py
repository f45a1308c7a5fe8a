"""Execution of a notebook under papermill that fails closed: the work of the engine `fin-kedro`."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import click
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.exceptions import PapermillException
from papermill.iorw import papermill_io
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from sealed_kernel.fail_closed import (
    Failure,
    RefusalError,
    check_before,
    check_executed,
    count_failure,
    declared_gates,
    gate_plan,
    is_code,
    last_code,
    named,
    show_failure,
    unreached_gates,
)
from sealed_kernel.fixed import ENDED
from sealed_kernel.kernel_manager import ReportKernelManager, exit_status, kernel_environment
from sealed_kernel.parameters import ParameterError
from sealed_kernel.screening import PRIVATE, Screen, describe, project_screen, withheld, withhold

Progress = Callable[[int, int], None]
WATCH = '__import__("sealed_kernel.watch", fromlist=["watch"])'
REPORT, LAST_REPORT = f"{WATCH}.report()", f"{WATCH}.report(last=True)"
NOTICED = "fin_kedro_noticed"
SEALER = "sealed_kernel.sealer"
PATIENCE = 120  # seconds for what no cell is to blame for; a busy machine is no failure


class Refused(PapermillException, click.ClickException):
    """Nothing was executed: parameters, their values or the order of the cells are not sound.

    papermill's command prints it as one line, without a traceback.
    """

    def __init__(self, message: str) -> None:
        click.ClickException.__init__(self, message)


def execute(
    nb: Any,
    kernel_name: str,
    *,
    output_path: str | None = None,
    progress_bar: bool | dict[str, Any] = True,
    log_output: bool = False,
    autosave_cell_every: int = 30,
    screen: Screen | None = None,
    gates: Iterable[str] = (),
    ask: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    variables: Mapping[str, str] | None = None,
    seal: bool = True,
    start_timeout: int = 60,
    execution_timeout: int | None = None,
    **options: Any,
) -> Any:
    """Execute a notebook in place and return it; papermill raises for the error outputs in it.

    `screen`: what no output may show (the project's own by default). `gates`: gates that must be
    reached beside those that the notebook declares. `ask`: expressions for the kernel to answer
    at the end, kept as texts in `metadata["fin_kedro"]["answers"]`. `progress`: called with
    (cells done, cells in all). `variables` are put over the kernel's environment. `seal`: let
    the package that seals, if one is installed (`find_sealer`), seal what was executed. The rest
    is papermill's.
    """
    del autosave_cell_every  # it would save outputs before they are screened
    folder = options.get("resources", {}).get("metadata", {}).get("path") or os.getcwd()
    screen = screen or project_screen(Path(folder).resolve())
    try:
        check_before(nb, screen)
    except (RefusalError, ParameterError) as error:
        raise Refused(str(error)) from error
    nb.metadata.pop("fin_kedro", None)
    sealer = find_sealer(nb, options.get("input_path")) if seal else None
    manager = NotebookExecutionManager(
        nb,
        output_path=output_path,
        progress_bar=progress_bar,
        log_output=log_output,
        autosave_cell_every=0,
    )
    settings = merge_kwargs(
        remove_args(["input_path", "timeout", "startup_timeout"], **options),
        timeout=execution_timeout or options.get("timeout"),
        startup_timeout=start_timeout,
        kernel_name=kernel_name,
        log=logger,
        log_output=log_output,
    )
    settings.setdefault("kernel_manager_class", ReportKernelManager)
    settings.setdefault("iopub_timeout", PATIENCE)
    client = WatchedClient(manager, **settings)
    client.screen, client.progress = screen, progress
    client.asked = {**(ask or {}), **(sealer.ask if sealer else {})}
    client.declared = declared_gates(nb, gates)
    manager.notebook_start()
    try:
        client.execute(env={**kernel_environment(), **(variables or {})})
    finally:
        manager.cleanup_pbar()
        for cell in manager.nb.cells:
            if "outputs" in cell:
                cell.outputs = join_streams(cell.outputs)
        _seal(sealer, manager.nb)
        manager.notebook_complete()
    return manager.nb


def join_streams(outputs: Iterable[Any]) -> list[Any]:
    """Outputs with neighbouring chunks of one stream joined: how they are cut depends on timing.

    nbclient's `coalesce_streams` would also move text across the displays that stand between, and
    while a notebook still runs it would move outputs that a display id points at.
    """
    joined: list[Any] = []
    for output in outputs:
        same = joined and output["output_type"] == "stream" == joined[-1]["output_type"]
        if same and output["name"] == joined[-1]["name"]:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


class Sealer(Protocol):
    """Seals one execution: `ask` goes to the kernel at its end, `seal` gets what was executed."""

    ask: Mapping[str, str]

    def seal(self, executed: Any) -> None:
        """Put a seal into an executed notebook's metadata."""


def find_sealer(nb: Any, input_path: str | None) -> Sealer | None:
    """What seals this execution, by the entry point `sealed_kernel.sealer`; None without one.

    It is made of the notebook and its file. A notebook that comes from no file (standard input,
    another machine) is not sealed.
    """
    source = _source(input_path)
    for point in entry_points(group=SEALER) if source else ():
        try:
            made: Sealer = point.load()(nb, source)
        except ImportError as error:
            logger.warning("not sealed: %s cannot be imported (%s)", point.value, error)
        else:
            return made
    return None


def _source(input_path: str | None) -> Path | None:
    """The notebook's file; papermill may have changed the folder since it read it."""
    read_in = getattr(papermill_io.get_handler("."), "_cwd", None)
    places = [Path(folder, str(input_path)) for folder in (read_in, ".") if folder]
    return next((place.resolve() for place in places if input_path and place.is_file()), None)


def _seal(sealer: Sealer | None, nb: Any) -> None:
    """Seal; whatever goes wrong with that, what was executed is kept."""
    if sealer is None:
        return
    try:
        sealer.seal(nb)
    except Exception as error:
        logger.warning("the seal is not complete: %s: %s", type(error).__name__, error)


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
            self._look_at_end(exit_status(process), by_itself=ended.exists())
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

    def _look_at_end(self, status: int | None, *, by_itself: bool) -> None:
        """Fail when the notebook ended its kernel, not when the kernel fell apart `by_itself`.

        What an interpreter does after the notebook's exit handlers (it stops threads of libraries
        where they stand) can end in a signal, and says nothing of the notebook. A status that is
        none of a signal was given by some code, and is an error at any time.
        """
        if not status or "error" in self.nb.metadata.get("fin_kedro", {}):
            return
        if by_itself and status < 0:
            said = "all of the notebook's code had ended when its kernel crashed with status %s"
            logging.getLogger(__name__).warning(said, status)  # papermill's is often silenced
            return
        died = f"the kernel ended with status {status} after the last cell."
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


class KernelRefused(PapermillException, click.ClickException):
    """The kernel would not begin; its own words say why."""

    def __init__(self, message: str) -> None:
        click.ClickException.__init__(self, message)


def _closed(failure: Failure) -> Failure:
    """papermill lets `sys.exit(0)` pass by its name; an early exit is an error here."""
    if failure.name != "SystemExit":
        return failure
    message = f"sys.exit({failure.message}) before the notebook's end."
    return Failure(failure.index, "EarlyExit", message)


def _answers(content: Mapping[str, Any]) -> dict[str, str | None]:
    """What user expressions gave, each as the text it is."""
    import ast

    return {
        name: ast.literal_eval(answer["data"]["text/plain"]) if answer["status"] == "ok" else None
        for name, answer in content.get("user_expressions", {}).items()
    }
