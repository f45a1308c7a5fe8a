"""Commands of tests: forked by the command server where that is the same, else started cold.

Most commands cost more processor seconds for their imports than for what they do; the server
(`tests.command_server`) has done them, and another (`tests.kernel_server`) those of notebooks. A
command is started cold when it is asked for, or when a library would read something else at
import than it has read in the server: other threads, processor features, hash seed, other code of
`fin_kedro.settle`.
"""

from __future__ import annotations

import contextlib
import filecmp
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from sealed_kernel.fixed import HASH_SEED, PLACE, PROCESSOR, THREADS, fixed_environment
from sealed_kernel.warm import ADDRESS as WARM_HOST
from sealed_kernel.warm import _start_environment
from sealed_kernel.warm_host import READ_ONCE, SET_BY_IMPORTS
from tests import command_server, kernel_server

ROOT = Path(__file__).parents[1]
ADDRESS = "FIN_KEDRO_TEST_COMMANDS"  # the folder of the server, for processes of pytest-xdist
# Of those that libraries read at import: a forked command obeys these all the same.
OBEYED = {
    *("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONSAFEPATH"),
    *("FIN_KEDRO_THREADS", "KEDRO_LOGGING_CONFIG"),
}
# What the server has done in place of a project's own code, and `kedro` does before the imports.
SETTLING = ("src/fin_kedro/__init__.py", "src/sealed_kernel/fixed.py")


class Command:
    """A running command of the server; of `subprocess.Popen` it has what tests use."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str]) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._connection, self._received = connection, b""
        self.pid = self._answer(None)["pid"]

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal; raises TimeoutExpired."""
        if self.returncode is None:
            self.returncode = self._answer(timeout)["exit"]
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal the command; nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the command, as `kill -9` does."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the command to end."""
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Let go of it: what still runs is killed, with all that it has started."""
        self._connection.close()

    def _answer(self, timeout: float | None) -> dict[str, int]:
        end = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._received:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._connection], [], [], left)[0]:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
            more = self._connection.recv(1 << 10)
            if not more:
                raise RuntimeError("the command server has ended; its standard error says why")
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        found: dict[str, int] = json.loads(line)
        return found


class Servers:
    """The servers of commands and of kernels; they end with the process that started them.

    `libraries`: what commands find imported; by default the server's own list.
    """

    def __init__(self, libraries: Sequence[str] = ()) -> None:
        self.place = Place(Path(tempfile.mkdtemp(prefix="fin-kedro-commands-")))
        environment = _without(OBEYED, settled(os.environ))
        self.place.environment.write_text(json.dumps(environment))
        # what kernels are started with: the project's kernel specification over this environment
        kernels = _without(OBEYED, _start_environment(None))
        self.processes = [
            _serving(self.place.socket, command_server.__file__, environment, libraries),
            _serving(self.place.kernels, kernel_server.__file__, kernels),
        ]

    def stop(self) -> None:
        """End them, and every command and kernel of them; their folder goes with them."""
        for process in self.processes:
            process.communicate()


def _without(names: set[str], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}


def _serving(
    address: Path, script: str, environment: Mapping[str, str], libraries: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a server; it imports when a client comes, and ends when its standard input does."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen(64)
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        return subprocess.Popen(
            [sys.executable, script, str(listening.fileno()), path, *libraries],
            cwd=ROOT, env=environment, pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a server is reached: a folder that only this user can enter."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Commands are asked for here."""
        return self.folder / "socket"

    @property
    def kernels(self) -> Path:
        """Kernels are asked for here, as of a warm host."""
        return self.folder / "kernels"

    @property
    def environment(self) -> Path:
        """The variables that libraries found when the server imported them."""
        return self.folder / "environment.json"


def settled(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment as `fin_kedro.settle` leaves it before it lets libraries be imported."""
    fixed = fixed_environment()
    numeric = {name: fixed[name] for name in (*THREADS, *PROCESSOR)}
    place = {name: value for name, value in PLACE.items() if name != HASH_SEED}
    return {**numeric, **environment, **place}


def _in_force(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What libraries find when a command imports them: `kedro` settles it before."""
    settles = list(arguments[:2]) == ["-m", "kedro"]
    return settled(environment) if settles else dict(environment)


_servers: list[Servers] = []


def serve(libraries: Sequence[str] = ()) -> None:
    """Start the servers for this process and for those that it will start."""
    if ADDRESS not in os.environ:
        _servers.append(Servers(libraries))
        os.environ[ADDRESS] = str(_servers[0].place.folder)


def stop() -> None:
    """End the server, if this process started it."""
    while _servers:
        del os.environ[ADDRESS]
        _servers.pop().stop()


def kernels() -> Path:
    """Where kernels are forked, as a warm host does."""
    return _place().kernels


def _place() -> Place:
    serve()
    return Place(Path(os.environ[ADDRESS]))


@functools.cache
def _found_by_server(place: Place) -> dict[str, str]:
    found: dict[str, str] = json.loads(place.environment.read_text())
    return found


def why_cold(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Why a forked command would not be what a cold one is; "" when it would."""
    if sys.platform != "linux":
        return "forks as Linux does"
    here, there = _found_by_server(_place()), _in_force(arguments, environment)
    for name in sorted({*here, *there} - SET_BY_IMPORTS - OBEYED):
        if name.startswith(READ_ONCE) and here.get(name) != there.get(name):
            return f"{name} is {there.get(name)!r} and was {here.get(name)!r}"
    for name in SETTLING:
        own = folder / name
        if own.exists() and not filecmp.cmp(own, ROOT / name, shallow=False):
            return f"{own} differs"
    return ""


def start(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str],
    stdout: int | IO[Any], stderr: int | IO[Any], cold: bool = False,
) -> Command | subprocess.Popen[bytes]:  # fmt: skip
    """Start `-m MODULE`, `-c CODE` or `[-P] SCRIPT` in a folder, as the tests' interpreter would.

    The streams are files or handles of files.
    """
    if cold or why_cold(arguments, folder, environment):
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=dict(environment),
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )  # fmt: skip
    streams = [one if isinstance(one, int) else one.fileno() for one in (stdout, stderr)]
    with Path(os.devnull).open("rb") as nothing:
        return _forked(arguments, folder, environment, [nothing.fileno(), *streams])


def _forked(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: list[int]
) -> Command:
    """Let the server fork a command; `streams`: handles of standard input, output and error."""
    request = {
        "arguments": list(arguments),
        "folder": str(folder.resolve()),
        "environment": {**_in_force(arguments, environment), WARM_HOST: str(_place().kernels)},
        "cores": sorted(os.sched_getaffinity(0)),
    }
    text = json.dumps(request).encode() + b"\n"
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(_place().socket))
    sent = socket.send_fds(connection, [text], streams)
    connection.sendall(text[sent:])
    return Command(connection, arguments)


def run(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str],
    timeout: float = 600, cold: bool = False,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a command to its end, and return its status with what it wrote, as text."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = start(
            arguments, folder=folder, environment=environment,
            stdout=stdout, stderr=stderr, cold=cold,
        )  # fmt: skip
        try:
            status = process.wait(timeout)
        except BaseException:
            process.kill()
            raise
        finally:
            if isinstance(process, Command):
                process.close()
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess([sys.executable, *arguments], status, *said)


@contextlib.contextmanager
def forking(script: str) -> Iterator[None]:
    """Let the server fork what the code under test starts by `subprocess.run`: runs of a script."""
    real = subprocess.run

    def run_forked(command: Any, **options: Any) -> Any:
        folder, environment = options.get("cwd"), options.get("env")
        own = isinstance(command, list) and command[0] == sys.executable and folder and environment
        if not own or not any(Path(word).name == script for word in command[1:3]):
            return real(command, **options)
        process = start(
            command[1:], folder=Path(folder), environment=environment,
            stdout=options["stdout"], stderr=options["stderr"],
        )  # fmt: skip
        try:
            return subprocess.CompletedProcess(command, process.wait(options.get("timeout")))
        except BaseException:
            process.kill()
            raise

    with patch.object(subprocess, "run", run_forked):
        yield
