"""Shell commands of a notebook fail their cell: `!cmd`, `x = !cmd`, `%%bash`, each command of a
line and each part of a pipe; so do `%cd` to a folder that is not there and an exit under `%prun`.

`!cmd || true` says that a command may fail. A program stopped because nobody reads on (the left
side of `| head`, status 141) has not failed.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROKEN_PIPE = 141  # 128 + SIGPIPE
STRICT = {"bash": "set -e -o pipefail; ", "zsh": "set -e -o pipefail; "}
PLAIN_SHELLS = ("sh", "dash", "ksh")
STRICT |= dict.fromkeys(PLAIN_SHELLS, "set -e; ")
# as `set -e`, but on past a broken pipe: with `set -e` the rest would not run, and nobody be told
STOP = f"set -E -o pipefail; trap '_s=$?; [ $_s -eq {BROKEN_PIPE} ] || exit $_s' ERR\n"
NO_COMMAND = re.compile(
    r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|\(\([^\n]*?\)\)|(?:^|(?<=\s))\#[^\n]*""", re.MULTILINE
)
BACKGROUND = re.compile(r"(?<![&|<>])&(?![&>])")
PIPE = re.compile(r"(?<!\|)\|(?!\|)")


class EarlyExit(RuntimeError):  # noqa: N818 (readers see it by this name)
    """A cell asked the kernel to stop before the notebook's end."""


class ShellError(RuntimeError):
    """A shell command ended with another status than 0."""


def make_strict(shell: Any) -> None:
    """Put strict forms of `system`, `getoutput` and the script magics into an IPython shell."""

    def system(cmd: str) -> None:
        status = run_shell(shell.var_expand(cmd, depth=1), sys.stdout.write)
        shell.user_ns["_exit_code"] = status
        _check(cmd, status)

    def getoutput(cmd: str, split: bool = True, depth: int = 0) -> Any:
        from IPython.utils.text import LSString, SList

        parts: list[str] = []
        status = run_shell(shell.var_expand(cmd, depth=depth + 1), parts.append)
        _check(cmd, status)
        text = "".join(parts)
        return SList(text.splitlines()) if split else LSString(text)

    shell.system, shell.getoutput = system, getoutput
    _make_scripts_strict(shell)
    _make_cd_strict(shell)
    _make_profiler_strict()


def run_shell(command: str, write: Callable[[str], Any]) -> int:
    """Run a command, give what it prints to `write` as it comes, and return its status.

    In bash, where there is one, with `pipefail`: a plain sh sees only the last part of a pipe. The
    first of several commands that fails ends them (`cd nowhere; make` makes nothing).
    Raises ShellError for a command that is left running in the background.
    """
    _refuse_background(command)
    bash = shutil.which("bash")
    argv = [bash, "-c", STOP + command] if bash else ["sh", "-e", "-c", command]
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read1(65536):  # type: ignore[attr-defined]
            write(decode(chunk))
        write(decode(b"", True))
    return process.returncode


def _refuse_background(commands: str) -> None:
    """An `&` outside quotes, comments and arithmetic leaves a command to itself."""
    if BACKGROUND.search(NO_COMMAND.sub(" ", commands)):
        raise ShellError(
            f"{commands.strip()[:80]!r} leaves a command running (&); nobody would see it fail. "
            "Take the & away, or quote it where it is text."
        )


def _check(command: str, status: int) -> None:
    if status not in (0, BROKEN_PIPE):
        raise ShellError(
            f"the shell command {command.strip()!r} failed with status {status}. "
            "If it may fail, write || true after it."
        )


def _make_scripts_strict(shell: Any) -> None:
    """`%%bash` and its like stop at the first failing line, and may not run in the background."""
    plain = shell.magics_manager.magics["cell"]["script"]

    def script(line: str, cell: str) -> Any:
        args, command = plain.parser.parse_known_args(line.split())
        program = command[0] if command else ""
        if not shutil.which(program):
            raise ShellError(f"there is no program {program!r} on this machine.")
        if args.bg:
            raise ShellError("--bg leaves a script running; nobody would see it fail. Take it out.")
        name = Path(program).name
        if name in STRICT:
            _refuse_background(cell)
        elif hidden := STRICT.keys() & {Path(word).name for word in command[1:]}:
            raise ShellError(
                f"{program!r} starts a shell that would not stop at a failing line. Name it "
                f"itself: %%script {min(hidden)}"
            )
        if name in PLAIN_SHELLS and shutil.which("bash"):  # the only one that sees a whole pipe
            line = " ".join("bash --posix" if word == program else word for word in line.split())
            name = "bash"
        elif name in PLAIN_SHELLS and PIPE.search(NO_COMMAND.sub(" ", cell)):
            raise ShellError(f"{name} cannot tell whether the left side of a pipe failed.")
        return plain(line, STRICT.get(name, "") + cell)

    script.parser = plain.parser  # type: ignore[attr-defined]
    # %%bash and the others ask their own object for it, %%script the shell
    plain.__self__.shebang = script
    shell.register_magic_function(script, "cell", "script")


def _make_cd_strict(shell: Any) -> None:
    """`%cd` to a folder that cannot be entered is an error; IPython prints it and goes on."""
    plain = shell.magics_manager.magics["line"]["cd"]

    def cd(parameter_s: str = "") -> Any:
        failed: list[OSError] = []
        enter = os.chdir

        def chdir(path: Any) -> None:
            try:
                enter(path)
            except OSError as error:
                failed.append(error)
                raise

        os.chdir = chdir  # the magic catches the error where nobody sees it
        try:
            plain(parameter_s)
        finally:
            os.chdir = enter
        if failed:
            raise ShellError(f"%cd {parameter_s.strip()}: {failed[0].strerror}.")

    plain.__self__.cd = cd  # %pushd and %popd ask their own object for it
    shell.register_magic_function(cd, "line", "cd")


def _make_profiler_strict() -> None:
    """An exit in profiled code leaves the profiler as an error; IPython would only print it."""
    from types import SimpleNamespace

    from IPython.core.magics import execution

    base = execution.profile.Profile

    class Profile(base):  # type: ignore[misc, valid-type]
        def runctx(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().runctx(*args, **kwargs)
            except SystemExit as error:
                raise EarlyExit(f"sys.exit({error}) under %prun; take it out.") from error

    execution.profile = SimpleNamespace(Profile=Profile)  # type: ignore[assignment]
