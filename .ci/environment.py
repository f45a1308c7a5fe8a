"""Build or refresh .venv from requirements.lock; do nothing when it is already right.

    python3 .ci/environment.py            make .venv right
    python3 .ci/environment.py --check    say why it is not right (exit 1), change nothing
    python3 .ci/environment.py --lock     write both locks anew from pyproject.toml

Runs on the bare interpreter: standard library only. uv comes from its own hashed block of the
lock; where uv cannot install (some private mirrors), pip does the same work from the same hashes.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST, NEWEST = (3, 11), (3, 13)
HEARTBEAT = 20.0  # seconds between signs of life
# a folder of packages whose bytecode serves here, where sources are the same (.ci/bytecode.py)
BYTECODE = "FIN_KEDRO_BYTECODE"
STAMP, BUILDING, LOG = "fin_kedro.stamp", "fin_kedro.building", "fin_kedro.log"
COMPILE = [
    *("pip", "compile", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--quiet"),
]
LOCK, TOOLS_LOCK = "requirements.lock", ".ci/tools.lock"
# pip's own settings, and the names under which uv knows them
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}


class BuildError(Exception):
    """A reason that a person can act on; printed without a traceback."""


def digest(root: Path, version: str) -> dict[str, str]:
    """What an up-to-date environment rests on, by name."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    build = {name: project.get(name) for name in ("build-system", "project")}
    build["hatch"] = project.get("tool", {}).get("hatch")
    kernel = b"".join(p.read_bytes() for p in sorted((root / KERNEL).glob("*")) if p.is_file())
    parts = {
        "requirements.lock": (root / "requirements.lock").read_bytes(),
        "pyproject.toml": json.dumps(build, sort_keys=True).encode(),
        "the kernel specification": kernel,
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    return {"Python": version, "the place of the checkout": str(root), **hashes}


KERNEL = Path("notebooks") / ".lab" / "kernel"


def stale(root: Path, version: str) -> list[str]:
    """Names of what changed since .venv was built; empty when nothing did."""
    stamp = root / ".venv" / STAMP
    if not stamp.is_file() or (root / ".venv" / BUILDING).exists():
        return ["no finished installation"]
    try:
        found = json.loads(stamp.read_text("utf-8"))
    except ValueError:
        return ["no finished installation"]
    if not isinstance(found, dict):
        return ["no finished installation"]
    return [name for name, value in digest(root, version).items() if found.get(name) != value]


def venv_version(root: Path) -> str | None:
    """Full version of the interpreter in .venv; None when it does not start or is too old."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        python = str(root / ".venv/bin/python")
        found = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        if found.returncode == 0 and OLDEST <= minor(found.stdout) <= NEWEST:
            return found.stdout.strip()
    return None


def minor(version: str) -> tuple[int, int]:
    first, second = version.strip().split(".")[:2]
    return int(first), int(second)


def own_version() -> str:
    """Version of the interpreter that runs this; a clear error outside the supported range."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise BuildError(
            f"Python {version} will not do: fin_kedro needs 3.11, 3.12 or 3.13."
            " Next: install one of them, or name it: make PYTHON=python3.12 ..."
        )
    return version


def block(lock: str, name: str) -> str:
    """The requirement `name` of a lock text, with its hashes."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n?", lock, re.MULTILINE)
    if found is None:
        raise BuildError(
            f"requirements.lock has no {name!r}. Next: add it to the dev group; make lock"
        )
    return found.group(0)


def count(lock: str) -> int:
    """How many distributions a lock text has."""
    return len(re.findall(r"^[A-Za-z0-9][\w.\-]*(?:\[[^\]]*\])?==", lock, re.MULTILINE))


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the build lock: a second make waits for the first, then finds the work done."""
    with (root / "pyproject.toml").open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is building .venv; waiting for it ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], *, log: Path, env: dict[str, str] | None = None, note: str = "") -> int:
    """Run quietly into the log, with a sign of life now and then; the exit status."""
    start = time.monotonic()
    with log.open("a", encoding="utf-8") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            stdin=subprocess.DEVNULL,
        )
        try:
            while True:
                try:
                    return process.wait(timeout=HEARTBEAT)
                except subprocess.TimeoutExpired:
                    if note:
                        say(f"  {note} ... {time.monotonic() - start:.0f} s")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def uv_environment(python: Path, environ: dict[str, str]) -> dict[str, str]:
    """`environ` plus pip's settings under uv's names, so that a site's mirror serves both."""
    env = dict(environ)
    listed = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        target = UV_NAMES.get(name.rpartition(".")[2])
        words = value.strip("'\"").replace("\\n", " ").split()
        if target and words and target not in environ:
            env[target] = ("," if target == "UV_FIND_LINKS" else " ").join(words)
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # every file is held to its hash
    env["UV_NO_PROGRESS"] = "1"
    return env


def create(root: Path, log: Path) -> None:
    """An empty .venv with pip in it."""
    venv = root / ".venv"
    if venv.exists() and not (venv / "pyvenv.cfg").is_file() and any(venv.iterdir()):
        raise BuildError(
            f".venv is not a virtual environment. Next: look at it and remove it: {venv}"
        )
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    (venv / BUILDING).touch()
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    log.write_text(made.stdout + made.stderr, "utf-8")
    if made.returncode:
        raise BuildError(
            f"{sys.executable} cannot make a virtual environment."
            " Next: install its venv module (Debian, Ubuntu: the package python3-venv),"
            f" or name another: make PYTHON=python3.12 ...\n{made.stdout[-600:]}"
        )


def install_uv(root: Path, log: Path) -> Path | None:
    """uv in .venv, at the lock's version and hash; None when it cannot be had."""
    wanted = block((root / "requirements.lock").read_text("utf-8"), "uv")
    version = wanted.split()[0].removeprefix("uv==")
    uv = root / ".venv/bin/uv"
    if uv.exists():
        with contextlib.suppress(OSError):
            said = subprocess.run([str(uv), "--version"], capture_output=True, check=False)
            if version in said.stdout.decode().split():
                return uv
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "uv.txt"
        requirement.write_text(wanted, "utf-8")
        python = str(root / ".venv/bin/python")
        command = [python, "-m", "pip", "install", "--require-hashes", "--no-deps", "-r"]
        failed = run([*command, str(requirement)], log=log, note="fetching uv")
    return None if failed else uv


def install(root: Path, log: Path) -> None:
    """Everything in the lock, nothing else, then fin_kedro itself in editable form."""
    python, lock = root / ".venv/bin/python", root / "requirements.lock"
    number = count(lock.read_text("utf-8"))
    say(f"Installing {number} packages from requirements.lock (a few minutes the first time) ...")
    uv, env = install_uv(root, log), uv_environment(python, dict(os.environ))
    failed = True
    if uv:
        options = ["--python", str(python), "--require-hashes"]
        options += [] if BYTECODE in os.environ else ["--compile-bytecode"]
        sync = [str(uv), "pip", "sync", *options, str(lock)]
        failed = bool(run(sync, log=log, env=env, note="installing"))
    if failed:
        say("  uv could not; trying pip with the same hashes ...")
        command = [str(python), "-m", "pip", "install", "--require-hashes", "-r", str(lock)]
        if run(command, log=log, note="installing"):
            raise BuildError(f"Neither uv nor pip could install requirements.lock.\n{tail(log)}")
    elif BYTECODE in os.environ:
        import bytecode

        new = next((root / ".venv/lib").glob("python*/site-packages"))
        say(f"  bytecode of {bytecode.carry(Path(os.environ[BYTECODE]), new)} modules taken over")
    editable(root, uv, log)


def editable(root: Path, uv: Path | None, log: Path) -> None:
    """fin_kedro from src/: built here with the lock's hatchling, so nothing is fetched."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--editable", str(root)]
    python = str(root / ".venv/bin/python")
    if uv and not run([str(uv), "pip", "install", "--python", python, *options], log=log):
        return
    if run([python, "-m", "pip", "install", *options], log=log):
        raise BuildError(f"fin_kedro itself could not be installed.\n{tail(log)}")


def install_kernel(root: Path, log: Path) -> None:
    """The kernel specification, in .venv only: nobody's home folder is touched."""
    options = ["--sys-prefix", "--replace", "--name", "fin-kedro"]
    command = [str(root / ".venv/bin/jupyter"), "kernelspec", "install", str(root / KERNEL)]
    if run([*command, *options], log=log):
        raise BuildError(f"The fin-kedro kernel could not be installed.\n{tail(log)}")


def tail(log: Path, lines: int = 15) -> str:
    text = log.read_text("utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join([f"Last lines of {log}:", *("  " + line for line in text)])


def build(root: Path, version: str, *, scratch: bool) -> None:
    """Create or refresh; the stamp comes last, so a build that was cut off is seen."""
    venv = root / ".venv"
    log, start = venv / LOG, time.monotonic()
    if scratch:
        create(root, log)
    (venv / BUILDING).touch()
    (venv / STAMP).unlink(missing_ok=True)
    for step in (install, install_kernel):
        step(root, log)
    (venv / STAMP).write_text(json.dumps(digest(root, version), indent=1) + "\n", "utf-8")
    (venv / BUILDING).unlink()
    say(f"  .venv is ready (Python {version}, {time.monotonic() - start:.0f} s).")


def ensure(root: Path, *, chosen: bool, builder: Callable[..., None] = build) -> list[str]:
    """Make .venv right; the reasons it was not.

    The interpreter already in .venv stays while it is supported, so that a newer Python on the
    machine does not rebuild it; one that was `chosen` by name (PYTHON=...) wins.
    """
    with alone(root):
        own, there = own_version(), venv_version(root)
        swap = there is None or (chosen and minor(there) != minor(own))
        version = own if swap or there is None else there
        reasons = stale(root, version)
        if not swap and not reasons:
            return []
        unfinished = (root / ".venv" / BUILDING).exists()
        moved = "the place of the checkout" in reasons
        say(f"Building .venv: {', '.join(reasons) or 'another Python'}.")
        builder(root, version, scratch=swap or unfinished or moved)
        return reasons or ["another Python"]


def write_locks(root: Path) -> None:
    """Both locks from pyproject.toml, hashed, for Python 3.11 to 3.13.

    The tools are resolved under the first lock's versions, and what it has is not written again:
    their environment lies over .venv (`.ci/tools.py`).
    """
    uv = root / ".venv/bin/uv"
    if not uv.exists():
        raise BuildError("make lock needs .venv. Next: make test")
    env = uv_environment(root / ".venv/bin/python", dict(os.environ))
    env["UV_CUSTOM_COMPILE_COMMAND"] = "make lock"
    say("Resolving pyproject.toml for Python 3.11 to 3.13 ...")
    for lock, asked in ((LOCK, own_requirements), (TOOLS_LOCK, tool_requirements)):
        command = [str(uv), *COMPILE, *asked(root), "-o", lock]
        if subprocess.run(command, cwd=root, env=env, check=False).returncode:
            raise BuildError(f"{lock} was not written. Next: read what uv says above")
        say(f"{lock}: {count((root / lock).read_text('utf-8'))} packages.")


def own_requirements(_: Path) -> list[str]:
    """What `uv pip compile` is asked for: the project and its dev group."""
    return ["pyproject.toml", "--group", "dev"]


def tool_requirements(root: Path) -> list[str]:
    """The same for the group tools, less what the first lock has on every platform."""
    everywhere = re.findall(
        r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==[^\s;]+ \\$",
        (root / LOCK).read_text("utf-8"),
        re.MULTILINE,
    )
    left_out = (part for name in everywhere for part in ("--no-emit-package", name))
    return ["--group", "pyproject.toml:tools", "--constraints", LOCK, *left_out]


def exit_status(work: Callable[[], object]) -> int:
    """Do the work of a command, which may give a status; what goes wrong is said in a sentence."""
    try:
        done = work()
        return done if isinstance(done, int) else 0
    except (BuildError, subprocess.SubprocessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next make begins again.", file=sys.stderr)
        return 130


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    parser.add_argument("--lock", action="store_true", help="write both locks anew")
    parser.add_argument("--chosen", action="store_true", help="this Python was named by a person")
    return exit_status(partial(_do, parser.parse_args(arguments)))


def _do(options: argparse.Namespace) -> int | None:
    if options.lock:
        write_locks(ROOT)
    elif options.check:
        reasons = stale(ROOT, venv_version(ROOT) or own_version())
        say(f".venv is stale: {', '.join(reasons)}." if reasons else ".venv is up to date.")
        return int(bool(reasons))
    else:
        ensure(ROOT, chosen=options.chosen)
    return None


if __name__ == "__main__":
    sys.exit(main())
