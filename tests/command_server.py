"""The server of commands: a process that has imported the libraries, and forks each command.

A `kedro` command costs three to eight processor seconds before it does anything, for imports. This
process has done them; a child of it runs `python -m kedro ...` (or another module, script or `-c`)
as a newly started interpreter would: with its own folder, environment, arguments and streams. It
imports nothing of `fin_kedro` and `sealed_kernel`: a copied and changed project runs its own code.

`tests.commands` starts it and talks to it. One connection is one command: a line of JSON along
with standard input, output and error; the answers are `{"pid": ...}` and `{"exit": status}`. A
client that is gone takes its command with it. The server imports when the first client comes, and
ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import inspect
import io
import json
import os
import runpy
import select
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

OWN = ("fin_kedro", "sealed_kernel", "tests")
# What commands import, without what only a few of them need.
LIBRARIES = """
    kedro.framework.cli kedro.framework.cli.cli kedro.framework.cli.pipeline
    kedro.framework.cli.project kedro.framework.cli.registry kedro.framework.cli.starters
    kedro.framework.session kedro.framework.startup kedro.runner kedro.ipython
    kedro_telemetry.plugin kedro_viz.launchers.cli.main kedro_viz.integrations.kedro.hooks
    kedro_viz.integrations.kedro.run_hooks
    kedro_mlflow.mlflow kedro_mlflow.framework.hooks.mlflow_hook kedro_mlflow.framework.cli.cli
    kedro_datasets.json kedro_datasets.matplotlib kedro_datasets.pandas kedro_datasets.text
    mlflow.data mlflow.entities mlflow.models mlflow.onnx mlflow.pyfunc mlflow.tracking
    mlflow.store.db.utils mlflow.store.model_registry.sqlalchemy_store
    mlflow.store.tracking.sqlalchemy_store alembic.command sqlalchemy.orm
    sqlalchemy.dialects.sqlite
    catboost cryptography.hazmat.primitives.asymmetric.ed25519 fairlearn.metrics
    ibis ibis.backends.sql.compilers ibis.expr.sql jupyter_client matplotlib.backends.backend_agg
    matplotlib.pyplot msgspec nbclient nbconvert nbformat numpy onnx onnx.reference onnxruntime
    open_data_contract_standard.model pandas pandera pandera.ibis pyarrow pyarrow.dataset
    pyarrow.parquet rich.console rich.table scipy.optimize scipy.special scipy.stats
    sklearn.calibration sklearn.isotonic sklearn.linear_model sklearn.metrics
    sklearn.model_selection sklearn.preprocessing sqlglot sqlglot.optimizer threadpoolctl git
    IPython.core.interactiveshell
"""
# Threads that a fork leaves behind without harm: the allocator starts its own anew, and MLflow
# imports Polars, which no command uses. DuckDB is no such library: a child that is forked from a
# process with it dies at its end (`terminate called without an active exception`).
HARMLESS_THREADS = {"jemalloc_bg_thd", "polars-ooc-clea"}


def main() -> None:
    """Wait for a client, import, serve; in a forked child, run the command."""
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    if 0 in select.select([0, server], [], [])[0]:
        forget_the_place(server)
        return
    del sys.path[0]  # the folder of this file
    found = dict(os.environ)
    with warnings.catch_warnings(record=True), contextlib.redirect_stderr(io.StringIO()):
        for name in sys.argv[3:] or LIBRARIES.split():
            importlib.import_module(name)
        warm_up()
    refuse_what_a_fork_must_not_have()
    set_by_imports = {k: v for k, v in os.environ.items() if found.get(k) != v}
    gc.collect()
    gc.freeze()  # what is shared stays shared: no collection writes to these pages
    request = Server(server).serve()
    if request is not None:
        os.environ.update({k: v for k, v in set_by_imports.items() if k not in os.environ})
        end(partial(run, request))


def forget_the_place(server: socket.socket) -> None:
    """Remove the folder of the socket: whoever made it may have been killed."""
    shutil.rmtree(Path(server.getsockname()).parent, ignore_errors=True)


def warm_up() -> None:
    """Fill what libraries keep of what never changes: files of modules, the grammar of conf."""
    from omegaconf import OmegaConf

    inspect.stack()  # dynaconf asks at each start of Kedro, and is answered from 4,000 modules
    OmegaConf.to_container(OmegaConf.create({"a": "${b}", "b": 1}), resolve=True)


def refuse_what_a_fork_must_not_have() -> None:
    """Raise RuntimeError when the imports started threads, or brought code of a project along."""
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    threads = {(task / "comm").read_text().strip() for task in tasks} - HARMLESS_THREADS
    threads |= {thread.name for thread in threading.enumerate()[1:]}
    own = [name for name in sys.modules if name.partition(".")[0] in OWN]
    if threads or own:
        raise RuntimeError(f"the server may not fork: threads {sorted(threads)}, modules {own}")


class Server:
    """Forks commands, reports how they ended, and ends them with their clients."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._commands: dict[int, socket.socket | None] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()

    def serve(self) -> dict[str, Any] | None:
        """Serve until the client ends; in a forked child, return what is to be run."""
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the client ends it
        for source in (0, self._woken, self._server):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    self._end()
                elif key.fileobj == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif key.fileobj is not self._server:
                    self._forget(key.fileobj)
                elif (request := self._accept()) is not None:
                    return request

    def _accept(self) -> dict[str, Any] | None:
        connection, _ = self._server.accept()
        text, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while text and not text.endswith(b"\n"):
            more = connection.recv(1 << 20)
            text = text + more if more else b""
        if not text:
            connection.close()
            return None
        request: dict[str, Any] = json.loads(text)
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _end_with_parent(parent)
            self._leave(connection, streams)
            settle(request)
            return request
        for stream in streams:
            os.close(stream)
        self._commands[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ)
        _tell(connection, pid=pid)
        return None

    def _leave(self, connection: socket.socket, streams: list[int]) -> None:
        """In the child: the server's sockets, pipes and signals are not the command's."""
        for stream, target in zip(streams, (0, 1, 2), strict=True):
            os.dup2(stream, target)
            os.close(stream)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        for mine in filter(None, (self._server, connection, *self._commands.values())):
            mine.close()
        for end in (self._woken, self._wake):
            os.close(end)

    def _reap(self) -> None:
        while self._commands:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._commands.pop(pid)
            if connection is not None:
                self._selector.unregister(connection)
                _tell(connection, exit=os.waitstatus_to_exitcode(status))
                connection.close()

    def _forget(self, connection: Any) -> None:
        """Kill the command of a client that is gone, and what it started."""
        self._selector.unregister(connection)
        connection.close()
        pid = next(pid for pid, found in self._commands.items() if found is connection)
        self._commands[pid] = None
        _kill(pid)

    def _end(self) -> None:
        for pid in self._commands:
            _kill(pid)
        forget_the_place(self._server)
        os._exit(0)


def _tell(connection: socket.socket, **message: int) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def _kill(pid: int) -> None:
    """Kill a command and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _end_with_parent(parent: int) -> None:
    """Let the system kill the command when the server ends, however it ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it has just ended
        os._exit(1)


def settle(request: dict[str, Any]) -> None:
    """Make the forked process what a newly started interpreter would be."""
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.sched_setaffinity(0, request["cores"])
    os.chdir(request["folder"])
    kind, *rest = request["arguments"]
    first = {"-m": [request["folder"]], "-c": [""], "-P": []}.get(kind, [str(Path(kind).parent)])
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [*first, *(path for path in added if path)]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=bool(os.environ.get("PYTHONUNBUFFERED")))  # type: ignore
    if kind == "-P":  # no folder of its own before the others
        request["arguments"] = rest
    import numpy as np
    from kedro.framework.project import LOGGING

    np.random.seed()  # Python's own generator seeds itself anew after a fork
    LOGGING.__init__()  # type: ignore[misc]  # it is made at import, of the project it finds


def run(request: dict[str, Any]) -> None:
    """Run `-m MODULE`, `-c CODE` or a script, with its arguments, as Python would."""
    kind, *rest = request["arguments"]
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.modules["__main__"] = main_module = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main_module.__dict__)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


def end(work: Callable[[], None]) -> NoReturn:
    """Work and end as the interpreter does, but leave the memory to the system.

    To tear down what was imported would touch, and so copy, all that is shared with the server.
    """
    status: object = 0
    try:
        work()
    except SystemExit as error:
        status = error.code
    except BaseException as error:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(int(status or 0) & 0xFF)


if __name__ == "__main__":
    main()
