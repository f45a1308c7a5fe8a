"""What a kernel notices while the engine executes a notebook in it.

A cell can end well although something in it failed: a shell command, a thread, a task that nobody
waited for, a gate whose exception was caught. `watch` is called in the kernel before the first
cell; `report` gives what was noticed since it was last asked.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread as executor
import inspect
import json
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import CoroutineType
from typing import Any

from sealed_kernel.strict_shell import EarlyExit, make_strict

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"
THREADS_MAY_TAKE = 2.0  # seconds after the last cell, all together
# how a loop ends, not how something fails
ENDINGS = (StopIteration, StopAsyncIteration, GeneratorExit)


class GateFailed(AssertionError):  # noqa: N818 (readers see it by this name)
    """A gate's condition does not hold."""


class GateError(TypeError):
    """A gate was given something that is neither true nor false."""


class Watch:
    """What was noticed in this process, by the number of the cell that ran at the time.

    `plan`: the gates that cells are, by execution count.
    """

    def __init__(self) -> None:
        self.shell: Any = None
        self.plan: dict[int, str] = {}
        self.current = 0
        self.gates: dict[str, str] = {}
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.own_tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.threads_before = set(threading.enumerate())
        self._depth = 0
        self._problems: list[dict[str, Any]] = []
        self._futures: list[dict[str, Any]] = []
        self._caught: list[BaseException] = []

    def note(self, name: str, message: str) -> None:
        """Remember a problem of the cell that runs now."""
        problem = {"cell": self.current, "name": name, "message": message}
        if problem not in self._problems:
            self._problems.append(problem)

    def take(self, *, last: bool = False) -> list[dict[str, Any]]:
        """Problems since the last time; `last` looks for failures that nobody has asked for."""
        if last:
            self._look_for_forgotten()
        taken, self._problems = self._problems, []
        return taken

    # --- cells -------------------------------------------------------------------------------

    def before_cell(self, _info: Any) -> None:
        """A cell begins (a magic such as %%capture runs a cell inside a cell)."""
        self._depth += 1
        if self._depth > 1 or self.shell is None:
            return
        self.current = self.shell.execution_count
        if self.current in self.plan:
            self._caught = []
            sys.settrace(self._trace)

    def after_cell(self, result: Any) -> None:
        """A cell has ended: what failed inside a magic, and what a gate's cell has caught."""
        self._depth = max(0, self._depth - 1)
        error = result.error_before_exec or result.error_in_exec
        if error is not None and self._depth:
            self.note(type(error).__name__, f"{error} (raised inside a magic, and not shown)")
        if self._depth == 0 and self.current in self.plan:
            sys.settrace(None)
            self._end_gate(self.plan[self.current], error)

    def _end_gate(self, name: str, error: BaseException | None) -> None:
        self.gates[name] = FAILED if error or self._caught else PASSED
        for caught in self._caught if error is None else ():
            self.note(
                "SwallowedError",
                f"gate {name!r} raised {type(caught).__name__} and caught it; the cell of a gate "
                "may not catch errors.",
            )
        self._caught = []

    def _trace(self, frame: Any, _event: str, _arg: Any) -> Any:
        """Follow the notebook's own frames only: a library may catch what it likes."""
        own = self.shell is not None and frame.f_globals is self.shell.user_ns
        return self._trace_own if own else None

    def _trace_own(self, _frame: Any, event: str, arg: Any) -> Any:
        if event == "exception":
            value = arg[1]
            known = any(value is caught for caught in self._caught)
            if not known and not isinstance(value, ENDINGS):
                self._caught.append(value)
        return self._trace_own

    # --- gates -------------------------------------------------------------------------------

    def gate(self, name: str, passed: bool | None) -> None:
        """Remember a gate's outcome, and raise when it failed."""
        failed_before = self.gates.get(name) == FAILED
        if passed is not None and not _is_truth(passed):
            self.gates[name] = FAILED
            said = (
                f"gate {name!r} was given a {type(passed).__name__}; it takes True, False or None "
                "(does not apply): write the comparison, such as auc > 0.7."
            )
            self.note("GateError", said)
            raise GateError(said)
        outcome = NOT_APPLICABLE if passed is None else PASSED if passed else FAILED
        self.gates[name] = FAILED if failed_before else outcome
        if outcome == FAILED:
            self.note("GateFailed", f"gate {name!r} failed.")
            raise GateFailed(f"gate {name!r} failed.")

    # --- threads, tasks, futures -------------------------------------------------------------

    def future_failed(self, future: Any, error: BaseException) -> None:
        """An executor's task has failed: somebody has to ask for its result."""
        record = {"cell": self.current, "name": type(error).__name__, "message": str(error)}
        future.__dict__["_unasked"] = record
        self._futures.append(record)

    def future_asked(self, future: Any) -> None:
        """Somebody has asked; the failure is theirs now."""
        record = future.__dict__.pop("_unasked", None)
        if record is not None:
            self._futures = [other for other in self._futures if other is not record]

    def _look_for_forgotten(self) -> None:
        self._look_at_threads()
        for task in list(self.tasks):
            self._look_at_task(task)
        for name, value in list(self.shell.user_ns.items()):
            if type(value) is CoroutineType:  # isinstance would wake lazy objects up
                self._look_at_coroutine(value)
            elif name == "Out":
                for shown in value.values():
                    if type(shown) is CoroutineType:
                        self._look_at_coroutine(shown)
        for record in self._futures:
            message = f"{record['message']} (in an executor; nobody asked for the result)"
            self._problems.append({**record, "message": message})
        self._futures = []

    def _look_at_coroutine(self, coroutine: CoroutineType[Any, Any, Any]) -> None:
        if self._is_own(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            self.note("NeverAwaited", f"coroutine {coroutine.__name__!r} was never awaited.")
            coroutine.close()

    def _look_at_task(self, task: asyncio.Task[Any]) -> None:
        if getattr(task, "_log_traceback", False) and not task.cancelled():
            error = task.exception()
            self.note(type(error).__name__, f"{error} (in a task that nobody awaited)")
        elif not task.done() and (task in self.own_tasks or self._is_own(task.get_coro())):
            name = getattr(task.get_coro(), "__name__", "?")
            self.note("Unfinished", f"task {name!r} had not ended.")

    def cell_asks(self) -> bool:
        """Whether code of the notebook stands behind the call that is made now."""
        frame = sys._getframe(1)
        while frame is not None and frame.f_globals is not self.shell.user_ns:
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None

    def _look_at_threads(self) -> None:
        """Threads that would be cut off when the kernel ends; daemons are meant to be."""
        until = time.monotonic() + THREADS_MAY_TAKE
        idle = set(executor._threads_queues)  # waiting for work; what failed there is known
        for thread in set(threading.enumerate()) - self.threads_before - idle:
            if thread.daemon or thread is threading.current_thread():
                continue
            thread.join(max(0, until - time.monotonic()))
            if thread.is_alive():
                self.note("Unfinished", f"thread {thread.name!r} had not ended; join it.")

    def _is_own(self, coroutine: Any) -> bool:
        """Whether the notebook itself defines a coroutine."""
        frame = getattr(coroutine, "cr_frame", None)
        return frame is not None and frame.f_globals is self.shell.user_ns

    def thread_failed(self, error: Any) -> None:
        """An exception has ended a thread."""
        if error.exc_type is None:
            return
        name = getattr(error.thread, "name", "?")
        if issubclass(error.exc_type, SystemExit):
            if getattr(error.exc_value, "code", None) not in (None, 0):
                self.note("EarlyExit", f"sys.exit({error.exc_value}) in thread {name!r}.")
        else:
            self.note(error.exc_type.__name__, f"{error.exc_value} (in thread {name!r})")

    def loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop has an error that nobody asked for."""
        error = context.get("exception")
        if error is not None:
            self.note(type(error).__name__, f"{error} ({context.get('message', 'in a task')})")
        loop.default_exception_handler(context)


WATCH = Watch()


def gate(name: str, passed: bool | None) -> None:
    """Say that the gate `name` was reached and whether it `passed`; raise GateFailed if not.

    `passed` is a truth value, of Python or numpy; anything else (nan, a text) fails the gate with
    GateError. None says that the gate does not apply to this run. The engine remembers the outcome,
    so an exception that is caught still fails the notebook, and a gate written in the notebook's
    source that no cell reaches fails it too.
    """
    WATCH.gate(name, passed)


def _is_truth(value: Any) -> bool:
    """A bool of Python or numpy; nan, texts and arrays are true to `bool` without meaning it."""
    kind = type(value)
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"))


def watch(plan: dict[int, str]) -> None:
    """Begin to watch this kernel; called once by the engine, before the first cell."""
    shell = __import__("IPython").get_ipython()
    if shell is None:
        raise RuntimeError("watch() works in an IPython kernel only.")
    first = WATCH.shell is None
    WATCH.__init__()  # type: ignore[misc]
    WATCH.shell, WATCH.plan = shell, plan
    if not first:
        return
    make_strict(shell)
    shell.events.register("pre_run_cell", WATCH.before_cell)
    shell.events.register("post_run_cell", WATCH.after_cell)
    shell.ask_exit = _refuse_exit
    _watch_threads()
    _watch_futures()
    _watch_warnings()
    with suppress(RuntimeError):
        _watch_tasks(asyncio.get_running_loop())


def report(last: bool = False) -> str:
    """What was noticed since the last call, and every gate's outcome, as JSON."""
    found = {"problems": WATCH.take(last=last), "gates": WATCH.gates}
    return json.dumps(found)


def _refuse_exit() -> None:
    raise EarlyExit("exit() ends the kernel before the notebook's last cell; take it out.")


def _watch_threads() -> None:
    before = threading.excepthook

    def hook(error: Any) -> None:
        WATCH.thread_failed(error)
        before(error)

    threading.excepthook = hook


def _watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Remember every task: one that failed says so only when it is thrown away."""

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        task = asyncio.Task(coroutine, loop=loop, **options)
        WATCH.tasks.add(task)
        if WATCH.cell_asks():
            WATCH.own_tasks.add(task)
        return task

    loop.set_exception_handler(WATCH.loop_failed)
    loop.set_task_factory(make)


def _watch_futures() -> None:
    future = concurrent.futures.Future
    fail = future.set_exception

    def set_exception(self: Any, exception: Any) -> None:
        if exception is not None:
            WATCH.future_failed(self, exception)
        fail(self, exception)

    future.set_exception = set_exception  # type: ignore[method-assign]
    for name in ("result", "exception"):
        setattr(future, name, _asking(getattr(future, name)))
    _watch_pools()


def _watch_pools() -> None:
    """The pools of multiprocessing have results of their own kind."""
    from multiprocessing import pool

    def noting(plain: Callable[..., Any]) -> Callable[..., Any]:
        def done(self: Any, *args: Any) -> Any:
            failed_before = "_unasked" in self.__dict__
            plain(self, *args)
            failed = self.ready() and not self._success and not failed_before
            if failed and self._error_callback is None:
                WATCH.future_failed(self, self._value)

        return done

    def get(self: Any, timeout: float | None = None) -> Any:
        WATCH.future_asked(self)
        try:
            return take(self, timeout)
        finally:
            if self.ready():
                WATCH.future_asked(self)

    take = pool.ApplyResult.get
    pool.ApplyResult.get = get  # type: ignore[method-assign]
    for kind in (pool.ApplyResult, pool.MapResult):
        kind._set = noting(kind._set)  # type: ignore[attr-defined, union-attr]


def _asking(method: Callable[..., Any]) -> Callable[..., Any]:
    def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        finally:
            if self.done():
                WATCH.future_asked(self)

    return asked


def _watch_warnings() -> None:
    """A coroutine that nobody awaited is only a warning to Python, and did nothing."""
    show = warnings.showwarning

    def shown(message: Any, category: Any, *args: Any, **kwargs: Any) -> None:
        if issubclass(category, RuntimeWarning) and "was never awaited" in str(message):
            WATCH.note("NeverAwaited", f"{message}.")
        show(message, category, *args, **kwargs)

    warnings.showwarning = shown
