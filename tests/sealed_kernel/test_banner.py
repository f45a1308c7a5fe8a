"""What the sign says, in both forms, for every state a kernel can be in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sealed_kernel import banner
from sealed_kernel.banner import Sign, fingerprint, headline, html, text
from sealed_kernel.code import CodeState
from sealed_kernel.environment import EnvironmentReport, Problem
from sealed_kernel.honesty import Execution, Finding

LOCKED = EnvironmentReport("ab" * 32, "cd" * 32, (), 0.01)
CLEAN = CodeState("12345678" * 5, False, (), Path("/project"))
NUMPY = Problem("numpy", "version", "2.4.6", "1.0.0")
GOOD = Sign(LOCKED, CLEAN, findings=())
ORDER = Finding("order", (2,), "cell 2 was run after cell 3, which stands below it")
AGAIN = Finding("again", (1,), "cell 1 was run more than once")


def differing(sign: Sign, *problems: Problem) -> Sign:
    return replace(sign, environment=replace(LOCKED, problems=problems))


def test_all_is_well() -> None:
    lines = text(GOOD).splitlines()
    assert lines[0] == "fin-kedro: sealed"
    assert lines[1].startswith("  environment as locked (abababab), Python 3.")
    assert lines[2:] == [
        "  code        12345678, clean",
        "  data        none loaded yet",
        "  cells       as written, run from the top",
    ]
    assert GOOD.state == "good"


@pytest.mark.parametrize(
    ("sign", "state", "said"),
    [
        (differing(GOOD, NUMPY), "bad", "not sealed: the environment is not the locked one"),
        (replace(GOOD, departures={"TZ": None}), "bad", "not sealed: conditions are not fixed"),
        (
            differing(replace(GOOD, departures={"TZ": None}), NUMPY),
            "bad",
            "not sealed: the environment is not the locked one and conditions are not fixed",
        ),
        (
            replace(GOOD, environment=replace(LOCKED, lock_sha256=None)),
            "bad",
            "not sealed: no lock",
        ),
        (
            differing(replace(GOOD, enforced=True), NUMPY),
            "bad",
            "not sealed: the environment is not the locked one; nothing is executed",
        ),
        (replace(GOOD, enforced=True), "good", "sealed"),
        (replace(GOOD, code=replace(CLEAN, dirty=True, files=("a.py",))), "doubt", "sealed"),
        (replace(GOOD, code=replace(CLEAN, dirty=None)), "doubt", "sealed"),
        (replace(GOOD, findings=(AGAIN,)), "doubt", "sealed"),
        (
            replace(GOOD, findings=(ORDER, AGAIN)),
            "bad",
            "sealed, but the cells were not run as they stand here",
        ),
        (replace(GOOD, findings=None), "good", "sealed"),
    ],
)
def test_headline_and_state(sign: Sign, state: str, said: str) -> None:
    assert headline(sign) == said
    assert sign.state == state
    assert banner.COLOURS[state] in html(sign)


def test_what_differs_is_named_and_a_long_list_is_counted() -> None:
    problems = [Problem(f"p{n}", "missing", "1.0", None) for n in range(5)]
    said = text(differing(GOOD, *problems))
    assert "p0 1.0 is not installed; p1 1.0 is not installed; p2 1.0 is not installed" in said
    assert "; and 2 more" in said and "p3" not in said


def test_few_changed_files_are_named_many_are_counted() -> None:
    files = tuple(f"src/m{n}.py" for n in range(9))
    few = replace(GOOD, code=CodeState("1" * 40, True, files[:2], Path("/p")))
    many = replace(GOOD, code=CodeState("1" * 40, True, files, Path("/p")))
    assert "11111111, dirty (2 files changed): src/m0.py, src/m1.py" in text(few)
    assert "11111111, dirty (9 files changed)\n" in text(many)


def test_data_are_named_by_version_else_by_content() -> None:
    data = {
        "scores": {"version": "2026-11-22T03.34.13.922Z", "sha256": "ee" * 32, "path": "d/x"},
        "raw": {"version": None, "sha256": "ff" * 32, "path": "d/y"},
        "made": {"version": None, "sha256": None, "path": None},
    }
    mixed = {"scores": ["2026-11-21T00.00.00.000Z", "2026-11-22T03.34.13.922Z"]}
    sign = replace(GOOD, data=data, mixed=mixed)
    line = "scores 2026-11-22T03.34.13.922Z (and 1 earlier), raw ffffffff, made no version"
    assert line in text(sign)
    assert sign.state == "doubt"


class Words(HTMLParser):
    """The words of an HTML text, and its elements."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_both_forms_say_the_same_and_html_is_bare_markup() -> None:
    sign = differing(replace(GOOD, findings=(ORDER,), departures={"TZ": "<b>"}), NUMPY)
    read = Words(html(sign))
    squeezed = re.sub(r"\s+", "", text(sign))
    assert re.sub(r"\s+", "", "".join(read.words)) == squeezed
    assert read.tags <= {"div", "b", "span"}
    assert "http" not in html(sign)


def test_colours_are_jupyterlab_s_own_and_fixed_ones_are_only_a_fallback() -> None:
    style = html(GOOD)
    bare = re.sub(r"var\([^)]*\)", "", style)
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb", bare)


def test_the_fingerprint_is_plain_data_without_a_path_of_a_machine() -> None:
    data = {name: {"sha256": "ff" * 32, "path": f"{name}data/raw"} for name in ("/project/", "")}
    sign = replace(
        differing(GOOD, NUMPY), read=data, findings=(AGAIN,), executions=(Execution("d" * 16, 1),)
    )
    kept = fingerprint(sign)
    assert json.loads(json.dumps(kept)) == kept
    assert "/project/data" not in json.dumps(kept)
    assert kept["sealed"] is False and kept["refused"] is False
    assert kept["differs"] == ["numpy is 1.0.0, the lock has 2.4.6"]
    assert [entry["path"] for entry in kept["data"].values()] == [None, "data/raw"]
    assert kept["saved"] == {}
    assert kept["cells"] == ["cell 1 was run more than once"]
    assert kept["executions"] == [["d" * 16, 1, None]]
    assert fingerprint(replace(sign, enforced=True))["refused"] is True
    assert fingerprint(replace(GOOD, findings=None))["cells"] is None
