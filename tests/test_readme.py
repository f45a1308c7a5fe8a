"""The README's commands, typed one by one, end in a decision; its links lead somewhere."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import QUIET, ROOT, kedro

README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def commands() -> list[str]:
    """The lines of the block that leads from the candidate to a decision, without comments."""
    block = README.split("<!-- commands -->")[1].split("```console\n")[1].split("```")[0]
    return [line.split("   #")[0].strip() for line in block.splitlines() if line.strip()]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(project: Path) -> dict[str, str]:
    """A shell with the project's environment active."""
    return {
        **os.environ,
        **QUIET,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project / "src"),
    }


def typed(command: str, project: Path, *, shell: bool = False) -> str:
    """Type a command, in a shell's environment or as `kedro` is typed; return what it printed."""
    name, *arguments = shlex.split(command)
    if shell:
        result = subprocess.run(
            [name, *arguments],
            cwd=project,
            env=environment(project),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    else:
        assert name == "kedro"
        result = kedro(project, *arguments)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


@contextlib.contextmanager
def served(command: str, project: Path, port: int) -> Iterator[None]:
    """Run the README's serve command on another port, in another terminal, until it is ready."""
    assignment, *words = shlex.split(command)
    name, value = assignment.split("=", 1)
    # A bento brings its own code; the repository must not help it.
    settings = {k: v for k, v in environment(project).items() if k != "PYTHONPATH"}
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        cwd=project,
        env={**settings, name: value},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(process, port)
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """At most two minutes."""
    for _ in range(240):
        assert process.poll() is None, "the service ended instead of starting"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
            return
        time.sleep(0.5)
    raise AssertionError("the service was not ready within two minutes")


@pytest.mark.slow
def test_commands_of_the_readme_end_in_a_decision(trained_copy: Path) -> None:
    approve, release, models, serve, score = commands()
    assert "approved by Vera Lind" in typed(approve, trained_copy, shell=True)
    assert "credit:latest" in serve
    assert "bentoml serve" in typed(release, trained_copy)
    assert "released" in typed(models, trained_copy)
    port = free_port()
    with served(serve, trained_copy, port):
        answer = json.loads(typed(f"{score} --url http://127.0.0.1:{port}", trained_copy))
    (decision,) = answer["decisions"]
    assert decision["decision"] in ("approve", "decline")
    assert 0 < decision["probability"] < 1
    assert decision["reasons"]
    assert decision["model"]["version"] == "1"


PAGES = ["README.md", *(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = [t for t in targets if "://" not in t]
    broken = [t for t in local if not ((ROOT / page).parent / t).exists()]
    assert not broken


def test_make_targets_named_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make ([a-z]+)", README)) - {"sure"}
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_shown_output_is_filled_in() -> None:
    for mark in ("<!-- output: make run -->", "<!-- output: commands -->", "<!-- measured -->"):
        shown = README.split(mark)[1][:400]
        assert re.search(r"\d", shown.split("\n\n")[0] or shown), mark
