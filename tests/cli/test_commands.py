"""`kedro --help` lists each command once and cuts none of its lines."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from fin_kedro.cli.commands import cli
from tests.conftest import QUIET, ROOT

LISTED = re.compile(r"^  ([a-z][\w-]*) {2,}(\S.*)$", re.MULTILINE)
OURS = {name: c for name, c in cli.commands.items() if isinstance(c, click.Group)}


@pytest.fixture(scope="module")
def shown() -> str:
    """What somebody reads who types `kedro --help` on a terminal of 80 columns."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", "--help"],
        cwd=ROOT,
        env={**QUIET, "COLUMNS": "80", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def lines(text: str) -> list[str]:
    """The lines of a help page but the first, in which dots say that more may follow."""
    first, *others = text.splitlines()
    assert first.startswith("Usage:")
    return others


def listed(text: str) -> list[str]:
    """Names of the commands that a help page lists."""
    sections = re.split(r"^Commands:$", text, flags=re.MULTILINE)[1:]
    return [name for section in sections for name, _ in LISTED.findall(section)]


def test_each_command_is_listed_once(shown: str) -> None:
    names = listed(shown)
    assert sorted(names) == sorted(set(names))
    assert set(cli.commands) <= set(names)
    assert {"catalog", "jupyter", "package", "mlflow", "viz"} <= set(names)


def test_no_line_of_the_help_is_cut(shown: str) -> None:
    assert not [line for line in lines(shown) if line.rstrip().endswith(("...", "…"))]
    assert max(map(len, shown.splitlines())) <= 80


def test_the_one_run_that_is_listed_is_ours(shown: str) -> None:
    [line] = re.findall(r"^  run .*$", shown, re.MULTILINE)
    assert "--stale" in line


@pytest.mark.parametrize("group", OURS)
def test_no_line_of_a_group_of_ours_is_cut(group: str) -> None:
    page = CliRunner().invoke(cli, [group, "--help"], env={"COLUMNS": "80"}).output
    assert set(listed(page)) == set(OURS[group].commands)
    assert not [line for line in lines(page) if "..." in line]
