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


def typed(command: str, project: Path, *, shell: bool = False) -> tuple[str, str]:
    """Type a command, in a shell's environment or as `kedro` is typed.

    Return what it printed, and what it said of its progress beside that.
    """
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
    return result.stdout, result.stderr


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


# What the README shows of a command's output, held against what the command prints


ANYTHING = "..."


def shown(mark: str) -> list[str]:
    """The lines that the README shows as output below a mark, without empty ones."""
    block = README.split(mark)[1].split("```text\n")[1].split("```")[0]
    return [line for line in block.splitlines() if line.strip()]


def shape(line: str) -> str:
    """A line without what differs from run to run: figures, digests, times, people, answers.

    The tests run the tiny environment; the option that says so is left out, too.
    """
    line = line.replace(" --env ci", "")
    line = re.sub(r"^( (?:credit|fraud) +\d+ +)(?:base|ci) ", r"\1# ", line)  # where validated
    line = re.sub(r'": "[^"]*"', '": ""', line)  # values of JSON
    line = re.sub(r"\b\d{4}-\d\d-\d\dT[\d.:]+Z?", "#", line)  # runs and times
    line = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b", "#", line)  # digests and keys
    line = re.sub(r"-?\d(?:[\d.,]*\d)?", "#", line)
    # the group, and whether anything asks for attention or could not be judged
    line = re.sub(r"\([A-Z_]+\)|, # (?:attention|not judged)\b", "", line)
    line = re.sub(r"─+", "─", line)
    return " ".join(line.split())


def held_against(lines: list[str], printed: str) -> list[str]:
    """Lines of the README that the command has not printed; `...` stands for any that it has."""
    real = [shape(line) for line in printed.splitlines()]
    missing = []
    for line in lines:
        parts = [part.strip() for part in shape(line).split(ANYTHING)]
        pattern = re.compile(".*".join(re.escape(part) for part in parts))
        if not any(pattern.fullmatch(other) for other in real):
            missing.append(line)
    return missing


@pytest.mark.slow
def test_what_the_readme_shows_of_a_run_is_what_a_run_prints(trained: Path) -> None:
    lines = shown("<!-- output: make run -->")
    assert lines.count(ANYTHING) <= 4 and len(lines) >= 20
    assert held_against(lines, (trained / "run.txt").read_text()) == []


def test_a_line_that_a_command_does_not_print_is_found() -> None:
    printed = '  1/1 a.node    0.3 s\ncredit 1 (digest 78ccfd7caa1a) is ready\n{\n  "id": null\n'
    kept = [" 12/38 a.node 1,5 s", "credit 4 (digest 0123456789ab) is ...", "...", '  "id": null']
    assert held_against(kept, printed) == []
    for other in (
        "1/1 b.node 0.3 s",
        "credit 1 (digest 78ccfd7caa1a) is",
        '"id": "x"',
        "ready ...",
    ):
        assert held_against([other], printed) == [other]


@pytest.mark.slow
def test_commands_of_the_readme_end_in_a_decision(trained_copy: Path) -> None:
    approve, release, models, serve, score = commands()
    approve, release = f"{approve} --env ci", f"{release} --env ci"  # as it was trained
    said = [typed(approve, trained_copy, shell=True)]
    assert "approved by Vera Lind" in said[0][0]
    assert "credit:latest" in serve
    said += [typed(release, trained_copy), typed(models, trained_copy)]
    assert "bentoml serve" in said[1][0]
    assert "released" in said[2][0]
    port = free_port()
    with served(serve, trained_copy, port):
        said.append(typed(f"{score} --url http://127.0.0.1:{port}", trained_copy))
    lines = shown("<!-- output: commands -->")
    assert lines.count(ANYTHING) <= 4 and len(lines) >= 20
    assert held_against(lines, "\n".join("\n".join(texts) for texts in said)) == []
    answer = json.loads(said[3][0])
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


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_to_a_heading_lead_to_one(page: str) -> None:
    here = ROOT / page
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", here.read_text(encoding="utf-8"))
    pages = [((here.parent / name) if name else here, anchor) for name, anchor in links]
    assert [anchor for target, anchor in pages if anchor not in anchors(target)] == []


def test_make_targets_named_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make ([a-z]+)", README)) - {"sure"}
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_shown_output_is_filled_in() -> None:
    measured = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    for page, mark in (
        *((README, "<!-- output: make run -->"), (README, "<!-- output: commands -->")),
        (measured, "<!-- measured -->"),
    ):
        following = page.split(mark)[1][:400]
        assert re.search(r"\d", following.split("\n\n")[0] or following), mark


def test_the_readme_is_a_first_page() -> None:
    assert len(README.splitlines()) <= 200
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(pictures) == len(set(pictures)) == 4
    assert "(shortened: `...` stands for lines left out)" in README
