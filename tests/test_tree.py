"""The searches of `make check` find what is planted, and pass what is right."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name: str) -> ModuleType:
    """A script of .ci as a module."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LOCKS = ("requirements.lock", ".ci/tools.lock")
tree, lock, dependencies = load("tree"), load("lock"), load("dependencies")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A git working tree with one harmless file."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "notes.md").write_text("See ./data, ../shared and https://www.apache.org/\n")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        *(f"https://files.{host}/simple" for host in tree.HOSTS),
        tree.OPTIONS[0] + " https://mirror.example",
        "read_csv('" + "/ho" + "me/ann/data.csv')",
        "at " + "/ro" + "ot/.cache",
        "C:" + "\\Users\\ann",
        "out=" + "/tm" + "p/run1",
    ],
)
def test_a_planted_host_or_path_is_found_with_its_line(folder: Path, text: str) -> None:
    (folder / "planted.yml").write_text("first line\n" + text + "\n")
    found = tree.findings(folder)
    assert [line.partition(": ")[0] for line in found] == ["planted.yml:2"]


def test_it_looks_into_binary_files_and_for_its_own_place(folder: Path) -> None:
    (folder / "table.bin").write_bytes(b"\x00\xff" + str(folder).encode() + b"\x00")
    assert any(line.startswith("table.bin:1: ") for line in tree.findings(folder))


def test_ignored_files_and_harmless_words_pass(folder: Path) -> None:
    (folder / ".gitignore").write_text("logs/\n")
    (folder / "logs").mkdir()
    (folder / "logs/x").write_text(tree.HOSTS[0])
    (folder / "ok.md").write_text(
        "docker run --tmpfs /tmp --read-only; the home/user form; 3/tmp/x"
    )
    assert tree.findings(folder) == []


def test_this_tree_is_free_of_hosts_and_paths() -> None:
    assert tree.findings(ROOT) == []


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    for name in ("pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_lock_is_in_step() -> None:
    assert lock.findings(ROOT) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\nkedro==1.7.0", "\nkedro==1.6.0", "kedro==1.7.0: requirements.lock has 1.6.0"),
        ("\nkedro==1.7.0", "\nkedros==1.7.0", "kedro: in pyproject.toml, not in requirements.lock"),
        ("\nkedro==1.7.0", "\nkedro>=1.7.0", "not pinned by =="),
        ("\nkedro==1.7.0", "\n" + tree.OPTIONS[1] + " x\nkedro==1.7.0", "an option"),
        ("\nkedro==1.7.0 \\", "\nkedro==1.7.0", ""),
    ],
)
def test_a_lock_out_of_step_is_found(locked: Path, old: str, new: str, said: str) -> None:
    path = locked / "requirements.lock"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    found = lock.findings(locked)
    if said:
        assert any(said in line for line in found)
    else:
        assert found == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\nzensical==0.0.73", "\nzensical==0.0.74", "zensical<0.0.74: .ci/tools.lock has 0.0.74"),
        ("\nruff==", "\nruf==", "ruff: in pyproject.toml, not in .ci/tools.lock"),
        ("\nruff==", "\nruff>=", "not pinned by =="),
        ("\nruff==", "\nnumpy==", "numpy: in requirements.lock and in .ci/tools.lock"),
    ],
)
def test_a_lock_of_tools_out_of_step_is_found(locked: Path, old: str, new: str, said: str) -> None:
    path = locked / ".ci/tools.lock"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert any(said in line for line in lock.findings(locked))


def test_what_the_first_lock_has_on_some_platforms_only_may_stand_in_both(locked: Path) -> None:
    assert "colorama" in lock.locked(locked, LOCKS[0])
    assert "colorama" in lock.locked(locked, LOCKS[1])
    assert lock.findings(locked) == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_requirement_without_hash_is_found(locked: Path, name: str) -> None:
    path = locked / name
    path.write_text(path.read_text("utf-8") + "bare==1.0\nother==2.0\n", "utf-8")
    assert sum("no hash" in line for line in lock.findings(locked)) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", "permissive"),
        ("Apache License, Version 2.0", "permissive"),
        ("Apache-2.0 OR GPL-2.0-only", "permissive"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "file-level"),
        ("MIT AND LGPL-2.1-or-later", "hard"),
        ("GNU Affero General Public License v3", "hard"),
        ("Business Source License 1.1", "hard"),
        ("(GPL-3.0-only)", "hard"),
        ("", "unknown"),
        ("Our own terms", "unknown"),
    ],
)
def test_licences_are_judged(text: str, expected: str) -> None:
    assert dependencies.verdict(text) == expected


def test_a_hard_or_unknown_licence_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    own = LOCKS[:1]  # make check judges the tools too, by the Python that sees them
    assert list(dependencies.problems(ROOT, own)) == []
    monkeypatch.setitem(dependencies.BY_HAND, "kedro", "AGPL-3.0-only")
    monkeypatch.setitem(dependencies.BY_HAND, "rich", "")
    found = list(dependencies.problems(ROOT, own))
    assert found == [
        "kedro: licence 'AGPL-3.0-only' is hard",
        "rich: licence 'not stated' is unknown",
    ]


def test_licences_of_both_locks_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dependencies.BY_HAND, "zensical", "AGPL-3.0-only")
    assert "zensical: licence 'AGPL-3.0-only' is hard" in list(dependencies.problems(ROOT))
    monkeypatch.delitem(dependencies.WHY, "zensical")
    assert "zensical: no reason in WHY of .ci/dependencies.py" in list(dependencies.problems(ROOT))


def test_the_page_of_dependencies_is_in_step() -> None:
    page = dependencies.PAGE.read_text("utf-8")
    assert list(dependencies.out_of_step(ROOT, page)) == []
    assert list(dependencies.out_of_step(ROOT, page.replace("| kedro | 1.7.0", "| kedro | 1.6.0")))
