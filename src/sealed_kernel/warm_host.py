"""The warm host: imports libraries once, then forks a kernel for each notebook that asks.

`sealed_kernel.warm.WarmHost` starts it as `python -m sealed_kernel.warm_host SOCKET MODULE ...`.
It runs no notebook itself: every kernel is a fresh copy of the same process, which has imported
and done nothing else. It ends, with all of its kernels, when its standard input ends.

One connection is one kernel. The client sends a line of JSON (`cmd`, `env`, `cwd`) along with
its standard output and error; the host answers `{"pid": ...}` or `{"refused": "why"}`, later
`{"exit": status}`. The client may send `{"signal": number}`, answered by `{"signalled": number}`.
A client that is gone takes its kernel with it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sealed_kernel import fixed

# Threads that a fork may leave behind: the allocator knows about fork and starts its own anew.
HARMLESS_THREADS = {"jemalloc_bg_thd"}
# What libraries and the interpreter read once, at import or start; a kernel that needs other
# values cannot be forked from a process that has already read these.
READ_ONCE = (
    "ARROW_", "BLIS_", "DO_NOT_TRACK", "FIN_KEDRO_THREADS", "GOTO_", "KEDRO_DISABLE_TELEMETRY",
    "KEDRO_LOGGING_CONFIG", "KMP_", "LANG", "LC_", "LD_", "MALLOC_", "MKL_", "MPL", "NPY_",
    "NUMBA_", "NUMEXPR_", "OMP_", "OPENBLAS_", "POLARS_", "PYTHON", "SOURCE_DATE_EPOCH", "TZ",
    "VECLIB_",
)  # fmt: skip
SET_BY_IMPORTS = {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}  # scikit-learn's, the same anywhere
LARGEST_REQUEST = 1 << 22
IPYKERNEL_PARENT = "--IPKernelApp.parent_handle"


@dataclass
class Client:
    """One connection: what has come in so far, and the kernel that serves it."""

    connection: socket.socket
    received: bytes = b""
    streams: list[int] = field(default_factory=list)
    kernel: int | None = None


@dataclass(frozen=True)
class Request:
    """The kernel that a client asks for."""

    cmd: list[str]
    env: dict[str, str]
    cwd: str
    streams: tuple[int, int]


def main() -> None:
    """Import, serve; in a forked child, become the kernel."""
    started, environment = time.time_ns(), dict(os.environ)
    imported: list[Any] = []
    atexit.register(_leave_standing, imported)  # first in, last out: after all other handlers
    del sys.path[0]  # `python -m` puts the current folder there
    address, *modules = sys.argv[1:]
    fixed.settle_environment(kernel=True)  # as the sealed kernel does before it imports anything
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    for name in modules:
        importlib.import_module(name)
    refuse_threads()
    # held by itself: frozen, it is never freed, and with it all that it holds
    imported += [imported, *sys.modules.items()]
    gc.collect()
    gc.freeze()  # what is shared stays shared: no collection writes to these pages
    request = Host(server, CodeOnDisk(started), environment).serve()
    if request is not None:
        run_kernel(request)


def refuse_threads() -> None:
    """Raise RuntimeError when a module has started threads: a fork would copy locks they hold."""
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()
             if task.name != str(os.getpid())]  # fmt: skip
    wrong = sorted(set(names) - HARMLESS_THREADS)
    if wrong:
        raise RuntimeError(
            f"the warm host must be single-threaded to fork, but its modules started the threads "
            f"{wrong}; take what starts them out of the list of warm imports."
        )


class _Standing:
    """What stands in `sys.modules` for a module that the interpreter is not to empty at its end."""

    def __init__(self, module: ModuleType) -> None:
        self.__dict__ = module.__dict__


def _leave_standing(imported: list[Any]) -> None:
    """Spare a kernel that ends the tearing down of what its host has imported.

    It would write to, and so copy, all that is shared with the host: a third of a small notebook's
    processor time. What the notebook itself has made and imported ends as in any interpreter.
    """
    for name, module in imported[1:]:
        if isinstance(module, ModuleType) and sys.modules.get(name) is module:
            sys.modules[name] = _Standing(module)  # type: ignore[assignment]


class CodeOnDisk:
    """What the host has imported from the project, and which environment it stands on."""

    def __init__(self, started: int) -> None:
        self._started = started
        self._seen = {path: _stamp(path) for path in self._watched()}

    @staticmethod
    def _watched() -> list[str]:
        """Files of modules outside the installed packages, and the folders of those packages."""
        packages = [path for path in sys.path if path.endswith("-packages")]
        installed = (*packages, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        own = {path for path in files if path and not path.startswith(installed)}
        return [*packages, *sorted(own)]

    def change(self) -> str:
        """The first file that changed since it was imported; "" when none did."""
        for path, stamp in self._seen.items():
            # written while the imports ran: which of the two was imported is not known
            if _stamp(path) != stamp or stamp[0] > self._started:
                return path
        return ""


def _stamp(path: str) -> tuple[int, int]:
    """When a file was written, in ns, and its size; zeros when it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


class Host:
    """Accepts clients, forks kernels, passes signals on and reports how kernels ended."""

    def __init__(
        self, server: socket.socket, code: CodeOnDisk, environment: dict[str, str]
    ) -> None:
        self._server, self._code, self._environment = server, code, environment
        # what modules set when they are imported, as scikit-learn does, a cold kernel has too
        self._set_by_imports = {k: v for k, v in os.environ.items() if environment.get(k) != v}
        self._path = list(sys.path)
        self._clients: dict[int, Client] = {}
        self._children: dict[int, Client] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()

    def serve(self) -> Request | None:
        """Serve until standard input ends (None); in a forked child, what it was forked for."""
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        for source in (0, self._wake_read, self._server.fileno()):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    self._end()
                request = self._handle(key.fd)
                if request is not None:
                    return request

    def _handle(self, source: int) -> Request | None:
        """One thing that happened; a request only in a forked child."""
        if source == self._wake_read:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            self._reap()
        elif source == self._server.fileno():
            self._accept()
        elif source in self._clients:
            return self._hear(self._clients[source])
        return None

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        if _user_of(connection) != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        self._clients[connection.fileno()] = Client(connection)
        self._selector.register(connection.fileno(), selectors.EVENT_READ)

    def _hear(self, client: Client) -> Request | None:
        """Read what a client sent: its request first, then signals; nothing means it is gone."""
        try:
            data, streams, _, _ = socket.recv_fds(client.connection, 1 << 16, 2)
        except BlockingIOError:
            return None
        except OSError:
            data, streams = b"", []
        client.streams += streams
        client.received += data
        if not data or len(client.received) > LARGEST_REQUEST:
            self._forget(client)
            return None
        *lines, client.received = client.received.split(b"\n")
        for line in lines:
            request = self._obey(client, json.loads(line))
            if request is not None:
                return request
        return None

    def _obey(self, client: Client, message: dict[str, Any]) -> Request | None:
        if "signal" in message:
            _signal_group(client.kernel, message["signal"])
            _tell(client, {"signalled": message["signal"]})
            return None
        reason = self._reason_to_refuse(message) or ("" if len(client.streams) == 2 else "streams")
        if reason:
            _tell(client, {"refused": reason})
            return None
        streams = client.streams[0], client.streams[1]
        return self._fork(client, Request(message["cmd"], message["env"], message["cwd"], streams))

    def _reason_to_refuse(self, message: dict[str, Any]) -> str:
        """Why a kernel forked here would not be what a cold one is; "" when it would."""
        cmd, env = message["cmd"], message["env"]
        if os.path.abspath(cmd[0]) != os.path.abspath(sys.executable) or len(cmd) < 2:
            return f"{cmd[0]} is not the host's interpreter {sys.executable}"
        changed = self._code.change()
        if changed:
            return f"{changed} changed after the host imported its libraries"
        for name in sorted({*env, *self._environment} - SET_BY_IMPORTS):
            here, there = self._environment.get(name), env.get(name)
            if name.startswith(READ_ONCE) and here != there:
                return f"{name} is {there!r} for the kernel and was {here!r} when the host started"
        return ""

    def _fork(self, client: Client, request: Request) -> Request | None:
        sys.stdout.flush()
        sys.stderr.flush()
        host, pid = os.getpid(), os.fork()
        if pid == 0:
            _end_with_parent(host)
            self._leave(request)
            _settle_child(request, self._path)
            os.environ.update(self._set_by_imports)
            return request
        for stream in client.streams:
            os.close(stream)
        client.streams, client.kernel = [], pid
        self._children[pid] = client
        _tell(client, {"pid": pid})
        return None

    def _leave(self, request: Request) -> None:
        """In the child: the host's sockets, pipes and signal handlers are not the kernel's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        self._server.close()
        others = {stream for client in self._clients.values() for stream in client.streams}
        for client in self._clients.values():
            client.connection.close()
        for end in (self._wake_read, self._wake_write, *others.difference(request.streams)):
            os.close(end)

    def _reap(self) -> None:
        """Tell clients whose kernel has ended how it ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            client = self._children.pop(pid, None)
            if client is not None:
                client.kernel = None
                _tell(client, {"exit": os.waitstatus_to_exitcode(status)})

    def _forget(self, client: Client) -> None:
        """End the kernel of a client that is gone."""
        _signal_group(client.kernel, signal.SIGKILL)
        self._selector.unregister(client.connection.fileno())
        del self._clients[client.connection.fileno()]
        client.connection.close()
        for stream in client.streams:
            os.close(stream)

    def _end(self) -> None:
        """End with every kernel; nothing of the host is to be tidied up by itself."""
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        os._exit(0)


def _tell(client: Client, message: dict[str, Any]) -> None:
    """Answer a client; one that is gone is noticed when it is next read from."""
    with contextlib.suppress(OSError):
        client.connection.sendall(json.dumps(message).encode() + b"\n")


def _user_of(connection: socket.socket) -> int:
    """The user id at the other end."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", found)[1])


def _signal_group(pid: int | None, number: int) -> None:
    """Signal a kernel and what it has started; nothing when it has ended."""
    if pid is None:
        return
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # forked, but not yet the leader of its own group
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _settle_child(request: Request, path: list[str]) -> None:
    """Make the forked process what a newly started interpreter would be."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (request.streams[0], 1), (request.streams[1], 2)):
        os.dup2(source, target)
    for spare in (nothing, *request.streams):
        os.close(spare)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    # an empty entry of PYTHONPATH means the folder that an interpreter is started in
    host = str(Path.cwd())
    os.chdir(request.cwd)
    sys.path[:] = [request.cwd if entry == host else entry for entry in path]


def _end_with_parent(parent: int) -> None:
    """Let the system kill the kernel when its host ends, however it ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it has just ended
        os._exit(1)


def run_kernel(request: Request) -> None:
    """Run the kernel's own start command (a script, or `-m` and a module), as Python would."""
    _, *rest = request.cmd
    watch = f"{IPYKERNEL_PARENT}={os.getppid()}"
    if rest[0] == "-m":
        sys.path.insert(0, request.cwd)
        sys.argv = [*rest[1:], watch]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(rest[0]).parent))
        sys.argv = [*rest, watch]
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    main()
