"""Shell commands of a notebook fail their cell: `!cmd`, `x = !cmd`, `%%bash`, every part of a pipe.

`!cmd || true` says that a command may fail. A program stopped because nobody reads on (the left
side of `| head`, status 141) has not failed.
"""

from __future__ import annotations

import codecs
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROKEN_PIPE = 141  # 128 + SIGPIPE
STRICT = {"bash": "set -e -o pipefail; ", "zsh": "set -e -o pipefail; "}
STRICT |= dict.fromkeys(("sh", "dash", "ksh"), "set -e; ")


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


def run_shell(command: str, write: Callable[[str], Any]) -> int:
    """Run a command, give what it prints to `write` as it comes, and return its status.

    In bash, where there is one, with `pipefail`: a plain sh sees only the last part of a pipe.
    Raises ShellError for a command that is left running in the background.
    """
    if command.rstrip().endswith("&"):
        raise ShellError(
            f"{command.strip()!r} is left running; nobody would see it fail. Take the & away."
        )
    bash = shutil.which("bash")
    argv = [bash, "-o", "pipefail", "-c", command] if bash else ["sh", "-c", command]
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read1(65536):  # type: ignore[attr-defined]
            write(decode(chunk))
        write(decode(b"", True))
    return process.returncode


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
        return plain(line, STRICT.get(Path(program).name, "") + cell)

    script.parser = plain.parser  # type: ignore[attr-defined]
    # %%bash and the others ask their own object for it, %%script the shell
    plain.__self__.shebang = script
    shell.register_magic_function(script, "cell", "script")
