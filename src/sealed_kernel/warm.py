"""Warm kernels: a process that has imported the libraries is forked for each notebook.

The kernel specification `fin-kedro` names `WarmProvisioner`, so papermill, nbclient and every
other client of jupyter_client start kernels through it. Without a host it starts them as ever.
Inside `with WarmHost():` they are forked from the host, in this process and in those started by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from sealed_kernel.kernel_name import KERNEL

ADDRESS = "FIN_KEDRO_WARM_HOST"
LOG = "log"  # beside the socket: what the imports said
STARTUP_SECONDS = 120
SIGNAL_SECONDS = 5
LONGEST_ADDRESS = 100  # what the system takes for the path of a socket, with some to spare
# Imported before the fork. Each of these starts no thread, opens nothing and writes to no stream;
# duckdb, onnxruntime, polars and what imports them (catboost, mlflow) do, and are left to kernels.
IMPORTS = (
    "IPython",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "packaging.markers",
    "sealed_kernel.kernel",
    "sealed_kernel.watch",
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "matplotlib.pyplot",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "ibis",
    "kedro.io",
    "kedro.config",
)

logger = logging.getLogger(__name__)


class RefusedError(RuntimeError):
    """The warm host cannot fork this kernel: another environment, changed code, no host."""


def private_folder(prefix: str = "fk-") -> Path:
    """A folder of this user's own, with a path short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if len(str(folder)) > LONGEST_ADDRESS - 20:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    return folder


class WarmHost:
    """A warm host for as long as a `with` block, or from `start` to `stop`.

    `imports`: modules to import before the fork. `environment`: variables that the kernels will
    have over this process's own; by default those of the kernel specification `fin-kedro`.
    `join`: inside another `with` block its host is used, and none is started.
    On Linux; elsewhere nothing is started, and kernels start cold.
    """

    def __init__(
        self,
        imports: Sequence[str] = IMPORTS,
        *,
        environment: Mapping[str, str] | None = None,
        join: bool = False,
    ) -> None:
        self._imports = tuple(imports)
        self._join = join
        self._environment = environment
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._outer: str | None = None

    @property
    def address(self) -> str:
        """The path of the host's socket; "" before `start` and after `stop`."""
        return "" if self._folder is None else str(self._folder / "host")

    @property
    def pid(self) -> int | None:
        """The host's process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> WarmHost:
        """Start the host; it imports while the caller goes on, and the first kernel waits."""
        if sys.platform != "linux":
            return self
        self._folder = private_folder()
        with (self._folder / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sealed_kernel.warm_host", self.address, *self._imports],
                cwd=self._folder,
                env=_start_environment(self._environment),
                stdin=subprocess.PIPE,  # its end is the end of the host, however this process ends
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for the client, who then stops us
            )
        return self

    def stop(self) -> None:
        """End the host and every kernel it has forked."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> WarmHost:
        self._outer = os.environ.get(ADDRESS)
        if not (self._join and self._outer):
            self.start()
        if self.address:
            os.environ[ADDRESS] = self.address
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop(ADDRESS, None)
        if self._outer is not None:
            os.environ[ADDRESS] = self._outer
        self.stop()


def _start_environment(wanted: Mapping[str, str] | None) -> dict[str, str]:
    """What a kernel is started with: this process's variables, and the specification's over them.

    In the order of jupyter_client, so that host and kernel agree on all that is read only once.
    """
    if wanted is None:
        from sealed_kernel.kernel_manager import OwnKernels

        wanted = OwnKernels().get_kernel_spec(KERNEL).env
    own = {name: value for name, value in os.environ.items() if name != ADDRESS}
    # else the debugger's import says in the log that Python's own modules are frozen
    return {**own, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **wanted}


class ForkedKernel:
    """A kernel that the warm host forked, seen as a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(
        self,
        address: str,
        cmd: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        streams: tuple[int, int] = (1, 2),
    ) -> None:
        """Ask the host at `address` for a kernel. Raises RefusedError when it gives none."""
        self.returncode: int | None = None
        self._received, self._signalled = b"", 0
        self._lock = threading.Lock()
        message = {"cmd": list(cmd), "env": dict(env), "cwd": cwd}
        try:
            self._connection = _connect(address)
            line = json.dumps(message).encode() + b"\n"
            sent = socket.send_fds(self._connection, [line], list(streams))
            self._connection.sendall(line[sent:])
            answer = self._first_answer()
        except OSError as error:
            said = _last_words(address)
            raise RefusedError(f"no warm host answers at {address} ({error}){said}") from error
        if "pid" not in answer:
            self._connection.close()
            raise RefusedError(
                answer.get("refused") or f"the warm host ended{_last_words(address)}"
            )
        self.pid = int(answer["pid"])

    def _first_answer(self) -> dict[str, Any]:
        """Wait for the host, which may still be importing."""
        while b"\n" not in self._received:
            data = self._connection.recv(4096)
            if not data:
                return {}
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return dict(json.loads(line))

    def poll(self) -> int | None:
        """The exit status (negative: a signal), None while the kernel runs."""
        with self._lock:
            while self.returncode is None and self._hear(0):
                pass
            return self.returncode

    def _hear(self, seconds: float) -> bool:
        """Take in what the host says; whether it said anything in that time."""
        self._connection.settimeout(max(0.0, seconds))
        try:
            data = self._connection.recv(4096)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            data = b""
        *lines, self._received = (self._received + data).split(b"\n")
        for message in map(json.loads, lines):
            self._signalled += "signalled" in message
            self.returncode = message.get("exit", self.returncode)
        if not data and self.returncode is None:  # the host is gone, and its kernels with it
            self.returncode = -signal.SIGKILL
            _kill_group(self.pid)
        if self.returncode is not None:
            self._connection.close()
        return True

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one; subprocess.TimeoutExpired after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(0.02)
        return status

    def send_signal(self, signum: int) -> None:
        """Signal the kernel and all it has started; it has been sent when this returns.

        The host does it, as it knows whether the process id is still the kernel's.
        """
        with self._lock:
            self._signalled, end = 0, time.monotonic() + SIGNAL_SECONDS
            while self.returncode is None and self._hear(0):
                pass
            if self.returncode is not None:
                return
            self._connection.settimeout(SIGNAL_SECONDS)
            with contextlib.suppress(OSError):
                self._connection.sendall(json.dumps({"signal": int(signum)}).encode() + b"\n")
            while self.returncode is None and not self._signalled and time.monotonic() < end:
                self._hear(end - time.monotonic())

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel."""
        self.send_signal(signal.SIGKILL)


def _last_words(address: str) -> str:
    """The last line of a host's log, after a colon; "" when there is none."""
    try:
        lines = Path(address).with_name(LOG).read_text("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line for line in lines if line.strip()]
    return f": {said[-1]}" if said else ""


def _connect(address: str) -> socket.socket:
    """Connect to a host that may have been started a moment ago."""
    end = time.monotonic() + 10
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(STARTUP_SECONDS)
        try:
            connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > end or not Path(address).parent.is_dir():
                raise
            time.sleep(0.02)
        else:
            return connection


class WarmProvisioner(LocalProvisioner):
    """Forks kernels from the warm host that FIN_KEDRO_WARM_HOST names; starts them cold without.

    A host that refuses (its code has changed, a kernel needs another environment) or is gone is
    said in the log, and the kernel is started cold: slower, and never on old code.
    """

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch the kernel; where it runs is the host's matter, what it is is the command's."""
        env = kwargs.get("env") or dict(os.environ)
        address = env.pop(ADDRESS, "")  # a kernel's own kernels are not this host's
        if address:
            try:
                return await self._fork(address, cmd, env, kwargs)
            except RefusedError as reason:
                logger.warning("kernel started cold: %s", reason)
        info = await super().launch_kernel(cmd, **{**kwargs, "env": env})
        _remember(self.process)
        return info

    async def _fork(
        self, address: str, cmd: list[str], env: dict[str, str], kwargs: dict[str, Any]
    ) -> KernelConnectionInfo:
        cwd = str(kwargs.get("cwd") or Path.cwd())
        with contextlib.ExitStack() as stack:
            streams = (
                _descriptor(kwargs.get("stdout"), 1, stack),
                _descriptor(kwargs.get("stderr"), 2, stack),
            )
            kernel = await asyncio.to_thread(
                ForkedKernel, address, cmd, env=env, cwd=cwd, streams=streams
            )
        _remember(kernel)
        self.process = cast(Any, kernel)  # jupyter_client needs what both kinds can do
        self.pid, self.pgid, self.cwd = kernel.pid, None, cwd  # signals go by the host
        return self.connection_info


def _descriptor(stream: Any, own: int, stack: contextlib.ExitStack) -> int:
    """The file descriptor that Popen would have made of `stream`."""
    if stream is None:
        return own
    if stream in (subprocess.DEVNULL, subprocess.PIPE):  # nobody reads a pipe of a kernel
        descriptor = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, descriptor)
        return descriptor
    return stream if isinstance(stream, int) else int(stream.fileno())


_running: set[Any] = set()
_guard = threading.Lock()


def _remember(process: Any) -> None:
    """Keep a kernel of this process in mind."""
    with _guard:
        _running.difference_update([known for known in _running if known.poll() is not None])
        _running.add(process)


def kernels() -> set[Any]:
    """The kernels of this process that may still run, cold or warm, as Popen or ForkedKernel."""
    with _guard:
        return set(_running)


def kill_kernels(processes: Iterable[Any]) -> None:
    """Kill kernels and what they have started."""
    for process in processes:
        if isinstance(process, ForkedKernel):
            process.kill()
        elif process.poll() is None:
            _kill_group(process.pid)


def _kill_group(leader: int) -> None:
    """Kill a kernel and what it has started, as far as they still run."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)
