"""IPython's kernel in a checked environment, with a sign of what it runs on.

`main` is what `notebooks/.lab/kernel/start.py` calls. In sealed mode (`FIN_KEDRO_SEALED=1`, or
`hashes` to hash every installed file too) a kernel whose environment is not the locked one stays
alive and answers every execution with an error that names what differs, so that no client waits
for a kernel that died.
"""

from __future__ import annotations

import ast
import atexit
import dis
import json
import os
import re
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell

from sealed_kernel import banner, data_log, fixed, honesty
from sealed_kernel.code import CodeProbe
from sealed_kernel.environment import compare, find_lock, project_root

SEALED, BANNER = "FIN_KEDRO_SEALED", "FIN_KEDRO_BANNER"
SESSION = "JPY_SESSION_NAME"  # Jupyter's server: the notebook that the kernel was started for
KEDRO_NAMES = ("catalog", "context", "session", "pipelines")
KEDRO = "kedro.ipython"
SIGN_ID = "fin-kedro-sign"
CODE_MAGICS = {"capture", "prun", "time", "timeit"}
FILE_CLOCK = 0.01  # seconds by which a file's time may lag behind the clock
MAGIC = re.compile(r"run_(?:line|cell)_magic\('(\w+)'")


class SealedKernel(IPythonKernel):
    """IPython's kernel that checks its environment, and says what it and its notebook are."""

    shell: ZMQInteractiveShell

    def __init__(self, **kwargs: Any) -> None:
        folder = Path.cwd()
        self._code = CodeProbe(folder)  # first: git works while the rest starts
        self._project = project_root(folder)
        self._lock = find_lock(self._project)
        asked = os.environ.get(SEALED, "")
        self._environment = compare(self._lock, hashes=asked == "hashes")
        self._enforced = asked not in ("", "0")  # a misspelt wish to be sealed is one
        self._executions: list[honesty.Execution] = []
        self._begun: list[float] = []  # when each began, in seconds since 1970
        self._signed: tuple[str | None, str] | None = None  # cell with the banner, what it says
        self._asking = threading.Lock()  # the control thread asks for kernel_info too
        super().__init__(**kwargs)
        self.shell.magics_manager.register_function(self._seal_magic, magic_name="seal")

    # What is known

    def sign(self) -> banner.Sign:
        """What is known of this kernel now."""
        with self._asking:
            code = self._code.state()
        return banner.Sign(
            environment=self._environment,
            code=code,
            departures=fixed.departures(),
            data=data_log.loaded(),
            mixed=data_log.mixed(),
            read=data_log.every(),
            saved=data_log.saved(),
            findings=self._findings(),
            executions=tuple(self._executions),
            enforced=self._enforced,
        )

    def _findings(self) -> tuple[honesty.Finding, ...] | None:
        """Honesty of the notebook as it was last saved; None when there is none to be read."""
        path = self._document()
        if path is None:
            return None
        try:
            cells = honesty.cells_of(json.loads(path.read_bytes()))
            saved = bisect_left(self._begun, path.stat().st_mtime + FILE_CLOCK)
            return honesty.judge(cells, tuple(self._executions), saved=saved)
        except (OSError, ValueError, AttributeError, TypeError):
            return None

    def _document(self) -> Path | None:
        """The notebook file, as Jupyter's server or VS Code tells it."""
        named = self.shell.user_ns.get("__vsc_ipynb_file__") if self.shell else None
        named = named or os.environ.get(SESSION)
        return Path(named) if named and str(named).endswith(".ipynb") else None

    @property
    def language_info(self) -> dict[str, Any]:  # type: ignore[override]
        """IPython's, with the fingerprint: clients keep it in the notebook they executed."""
        return {
            **IPythonKernel.language_info,
            "fin_kedro": banner.fingerprint(self.sign()),
        }

    @property
    def banner(self) -> str:  # type: ignore[override]
        """What "About this kernel" shows."""
        return f"{super().banner}\n{banner.text(self.sign())}\n"

    # Execution

    async def do_execute(  # type: ignore[override]
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, Any] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Mapping[str, Any] | None = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Run a cell, or say why not; record that it was run, and show the sign."""
        if self._enforced and self._environment.matches is not True:
            return self._error("EnvironmentDiffersError", self._refusal(), silent)
        if not silent:
            self._record(code, cell_id, store_history)
            self._show_sign(cell_id)
        failure = self._load_kedro(code)
        if failure is not None:
            return self._error(type(failure).__name__, str(failure), silent)
        reply: dict[str, Any] = await super().do_execute(
            code,
            silent,
            store_history,
            user_expressions,
            allow_stdin,
            cell_meta=cell_meta,
            cell_id=cell_id,
        )
        if not silent:
            self._renew_sign()
        return reply

    def _record(self, code: str, cell_id: str | None, store_history: bool) -> None:
        if code.strip() and not honesty.leaves_no_trace(code):
            count = self.execution_count if store_history else None
            self._begun.append(time.time())
            self._executions.append(honesty.Execution(honesty.digest(code), count, cell_id))

    def _refusal(self) -> str:
        return (
            f"this kernel is sealed and runs nothing: {self._environment.summary(most=10)}.\n"
            "Next: `make test` builds .venv from requirements.lock; without FIN_KEDRO_SEALED=1 "
            "the kernel works, and says that it is not sealed."
        )

    def _error(self, name: str, message: str, silent: bool) -> dict[str, Any]:
        """Answer an execution with an error, as if the cell had raised it."""
        content = {"ename": name, "evalue": message, "traceback": [f"{name}: {message}"]}
        if not silent:
            self.send_response(self.iopub_socket, "error", content)
        count = {"execution_count": self.execution_count}
        return {"status": "error", "user_expressions": {}, "payload": [], **count, **content}

    # The sign

    def _show_sign(self, cell_id: str | None) -> None:
        """The banner with the first cell that is run, and again when that one is run again."""
        if self._signed is None:
            shown = os.environ.get(BANNER, "1" if SESSION in os.environ else "0")
            if shown != "1":
                return
        elif cell_id is None or cell_id != self._signed[0]:
            return
        self._signed = (cell_id, self._send_sign("display_data"))

    def _renew_sign(self) -> None:
        """Bring the banner up to date, where it stands."""
        if self._signed is not None and banner.text(self.sign()) != self._signed[1]:
            self._signed = (self._signed[0], self._send_sign("update_display_data"))

    def _send_sign(self, kind: str) -> str:
        sign = self.sign()
        data = {"text/plain": banner.text(sign), "text/html": banner.html(sign)}
        content = {"data": data, "metadata": {}, "transient": {"display_id": SIGN_ID}}
        self.send_response(self.iopub_socket, kind, content)
        return data["text/plain"]

    def _seal_magic(self, line: str) -> Any:
        """Show what this kernel and its notebook are.

        `%seal` shows the sign; `%seal --hashes` first hashes every installed file (some seconds);
        `%seal --json` gives the fingerprint as a dict.
        """
        options = line.split()
        unknown = sorted(set(options) - {"--hashes", "--json"})
        if unknown:
            from IPython.core.error import UsageError

            raise UsageError(f"%seal has no {unknown[0]!r}; it has --hashes and --json.")
        if "--hashes" in options:
            self._environment = compare(self._lock, hashes=True)
        self._code = CodeProbe(Path.cwd())  # files may have changed since the kernel started
        sign = self.sign()
        if "--json" in options:
            return banner.fingerprint(sign)
        from IPython.display import display

        display({"text/plain": banner.text(sign), "text/html": banner.html(sign)}, raw=True)
        return None

    # Kedro

    def _load_kedro(self, code: str) -> BaseException | None:
        """Load Kedro's extension for the first cell that needs it; the error, if it fails."""
        extensions = self.shell.extension_manager
        if self._project is None or extensions is None or KEDRO in extensions.loaded:
            return None
        if not self._needs_kedro(code):
            return None
        try:
            with self._unheard():
                extensions.load_extension(KEDRO)
        except BaseException as failure:  # an interrupt too must be answered, or clients wait
            return failure
        return None

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """What libraries say while they are imported belongs to no cell."""
        parent = self.shell.get_parent()
        self._set_parent({})
        try:
            yield
        finally:
            self._set_parent(parent)

    def _set_parent(self, parent: dict[str, Any]) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.shell.set_parent(parent)

    def _needs_kedro(self, code: str) -> bool:
        """Whether a cell uses a name or a magic of Kedro's that is not there yet."""
        names = {name for name in KEDRO_NAMES if name not in self.shell.user_ns}
        if "%" not in code and not any(name in code for name in names):
            return False
        try:
            changed = self.shell.transform_cell(code)
            cell = compile(changed, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            return False  # IPython will say what is wrong with it
        magics, told = MAGIC.findall(changed), asked_for(cell, names, set())
        if CODE_MAGICS.intersection(magics):  # %%time and its like hold code as text
            magics += re.findall(r"^\s*%%?(\w+)", code, re.MULTILINE)
            told |= {name for name in names if re.search(rf"(?<![\w.]){name}\b", code)}
        kinds = ("line", "cell")
        unknown = [m for m in magics if not any(self.shell.find_magic(m, k) for k in kinds)]
        return bool(told or unknown)

    def _process_children(self) -> Any:
        """Children still there at the end; one that has ended and was not asked for counts as gone.

        ipykernel 7.4 would wait for it until the client kills the kernel, before any exit handler.
        """
        with suppress(OSError):  # there is no child left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return super()._process_children()

    def do_complete(self, code: str, cursor_pos: int) -> Any:
        """Complete; what Kedro puts at hand is there as soon as its name is followed by a dot."""
        before = re.search(r"(?<![\w.])(\w+)\.\w*$", code[:cursor_pos])
        if before:
            self._load_kedro(before[1])
        return super().do_complete(code, cursor_pos)


def asked_for(code: CodeType, names: set[str], given: set[str]) -> set[str]:
    """Those of `names` that code loads before it gives them a value itself, which go to `given`."""
    asked = set()
    for step in dis.get_instructions(code):
        if step.argval in names and step.opname.startswith("STORE_"):
            given.add(step.argval)
        elif step.argval in names - given and step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            asked.add(step.argval)
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return asked.union(*(asked_for(part, names, given) for part in inner))


class SealedKernelApp(IPKernelApp):
    """IPython's kernel application, deaf to the configuration in somebody's home folder."""

    kernel_class = SealedKernel

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Read none: it would make this kernel unlike everybody else's."""

    def _run_startup_files(self) -> None:
        """Run none, for the same reason."""

    def start(self) -> None:
        """Serve; who asked is told when the notebook's code has ended, what it left for exit too.

        Exit handlers run last in, first out: this one after the notebook's own, before ipykernel's.
        """
        if file := os.environ.pop(fixed.ENDED, ""):
            Path(file).write_text(fixed.STARTED, "utf-8")
            atexit.register(_tell_ended, Path(file), os.getpid(), _failures_at_exit())
        super().start()


def _failures_at_exit() -> list[str]:
    """A list that exit handlers which raise are put into; Python prints the error and goes on."""
    failures: list[str] = []
    before = sys.unraisablehook

    def hook(failed: Any) -> None:
        if "atexit" in (failed.err_msg or ""):
            failures.append(f"{failed.exc_type.__name__}: {failed.exc_value}")
        before(failed)

    sys.unraisablehook = hook
    return failures


def _tell_ended(file: Path, kernel: int, failures: list[str]) -> None:
    """Say so in the file, unless this is a process that the notebook has forked."""
    if os.getpid() == kernel:
        file.write_text("\n".join([fixed.ENDED_WELL, *failures]), "utf-8")


def main(argv: list[str]) -> None:
    """Fix the conditions of this process and be a kernel until told to end.

    `argv` as the kernel specification gives it: `-f` and a connection file. In a process forked
    from a warm one it settles everything anew.
    """
    fixed.settle_environment(kernel=True)
    fixed.settle_process()
    data_log.clear()
    root = project_root(Path.cwd())
    if root is not None:
        # plain logging: rich would print a timestamp into every cell
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(root / "conf" / "logging_kernel.yml"))
    SealedKernelApp.launch_instance(argv=argv)
