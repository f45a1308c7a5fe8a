"""The code of a run: commit, patch, and hashes of what its nodes rest on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from fin_kedro.checks.calibration import brier
from fin_kedro.seals.code_state import code_state, commit_state, package_hash, source_folder
from fin_kedro.seals.withholding import not_executable


def git(project: Path, *arguments: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=project, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project under git, committed."""
    project = tmp_path / "project"
    for name, text in {
        "pyproject.toml": "", "src/a.py": "A = 1\n", "conf/base/p.yml": "x: 1\n",
        "docs/d.md": "d\n", "notebooks/n.ipynb": "{}\n",
    }.items():  # fmt: skip
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "one")
    return project


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    state = commit_state(tree)
    assert (state.commit, state.patch, state.dirty) == (git(tree, "rev-parse", "HEAD"), None, None)


def test_a_patch_makes_the_tree_again(tree: Path, tmp_path: Path) -> None:
    (tree / "src/a.py").write_text("A = 2\n")
    (tree / "src/new.py").write_text("B = 1\n")
    (tree / "conf/base/picture.bin").write_bytes(bytes(range(256)))
    (tree / "notebooks/n.ipynb").unlink()
    index = (tree / ".git/index").read_bytes()
    state = commit_state(tree)
    assert (tree / ".git/index").read_bytes() == index
    assert state.patch and state.dirty == hashlib.sha256(state.patch).hexdigest()
    other = tmp_path / "other"
    git(tree, "worktree", "add", "-q", str(other), str(state.commit))
    (tmp_path / "patch.diff").write_bytes(state.patch)
    git(other, "apply", "--binary", str(tmp_path / "patch.diff"))
    for name in ("src/a.py", "src/new.py", "conf/base/picture.bin"):
        assert (other / name).read_bytes() == (tree / name).read_bytes()
    assert not (other / "notebooks/n.ipynb").exists()


def test_what_a_run_does_not_read_and_what_is_ones_own_is_no_new_file(tree: Path) -> None:
    names = ("notes.txt", "docs/new.md", "conf/local/credentials.yml", "data/x.csv")
    secrets = ("conf/base/credentials.yml", "conf/x/credentials_db.yaml", "conf/credentials/a.yml",
               "conf/base/key.pem", "src/.env", "bentos/tls.key")  # fmt: skip
    for name in (*names, *secrets):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("secret")
    assert commit_state(tree).patch is None


def test_ones_own_settings_are_no_part_of_a_patch_even_if_committed(tree: Path) -> None:
    (tree / "conf/local").mkdir()
    (tree / "conf/local/credentials.yml").write_text("old")
    git(tree, "add", "-f", "conf/local")
    git(tree, "commit", "-q", "-m", "two")
    (tree / "conf/local/credentials.yml").write_text("secret")
    assert commit_state(tree).patch is None


def test_a_patch_that_shows_a_secret_is_withheld(tree: Path) -> None:
    (tree / "src/a.py").write_text("B = 2  # caf\xe9\n", encoding="latin-1")
    code, patch = code_state(tree)
    assert patch and b"caf\xe9" in patch and "patch_withheld" not in code
    (tree / "conf/base/db.yml").write_text("url: postgres://ada:lovelace1@db/x\n")
    code, patch = code_state(tree)
    assert patch is None and code["dirty"]
    assert code["patch_withheld"] == "conf/base/db.yml shows password in an address"
    assert not_executable({"code": code, "parameters": {}}, code=False) is None
    why = not_executable({"code": code, "parameters": {}}, code=True)
    assert why and "cannot be executed again" in why and "lovelace" not in why


def test_a_persons_settings_of_git_change_no_patch(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "src/a.py").write_text("A = 2\n")
    (tree / "src/é.py").write_text("B = 1\n")
    one = commit_state(tree).dirty
    for name, value in (("diff.noprefix", "true"), ("color.diff", "always"),
                        ("diff.algorithm", "patience"), ("core.quotepath", "off")):  # fmt: skip
        git(tree, "config", name, value)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert commit_state(tree).dirty == one


def test_a_change_within_the_second_of_the_commit_is_seen_beside_new_files(tree: Path) -> None:
    second = 1_700_000_000
    git(tree, "config", "core.trustctime", "false")
    os.utime(tree / "src/a.py", (second, second))
    git(tree, "update-index", "--refresh")
    os.utime(tree / ".git/index", (second, second))
    (tree / "src/a.py").write_text("A = 2\n")  # as long as before
    os.utime(tree / "src/a.py", (second, second))
    (tree / "src/b.py").write_text("B = 1\n")
    patch = commit_state(tree).patch
    assert patch and b"+A = 2" in patch and b"+B = 1" in patch


def test_a_project_that_git_does_not_know_has_neither(tree: Path) -> None:
    inside = tree / "copies/one"
    inside.mkdir(parents=True)
    (inside / "pyproject.toml").write_text("")
    assert commit_state(inside).commit is None
    assert commit_state(inside).patch is None


def test_a_node_rests_on_its_module_and_what_that_imports(tmp_path: Path) -> None:
    code, patch = code_state(tmp_path, functions={"f": brier, "same": partial(brier)})
    assert patch is None and code["commit"] is None
    assert code["nodes"]["f"] == code["nodes"]["same"]
    assert {"fin_kedro.checks.calibration", "fin_kedro.checks"} <= set(code["modules"])
    assert "fin_kedro.cli" not in code["modules"]


def test_functions_that_are_not_the_projects_are_named(tmp_path: Path) -> None:
    functions = {"builtin": print, "here": git, "call": str.upper}
    code, _ = code_state(tmp_path, functions=functions)
    again, _ = code_state(tmp_path, functions=functions)
    assert code == again
    assert len(set(code["nodes"].values())) == 3
    assert "0x" not in str(code["modules"])


def test_the_package_is_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "fin_kedro"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a.py").write_text("1")
    one = package_hash(tmp_path)
    (folder / "__pycache__/a.pyc").write_text("2")
    assert package_hash(tmp_path) == one
    (folder / "a.css").write_text("3")
    assert package_hash(tmp_path) != one
    assert package_hash(source_folder()) == package_hash(source_folder())
