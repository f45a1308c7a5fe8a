"""Scratch checkouts: a run's code again, and the user's tree untouched."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fin_kedro.verification.worktree import (
    NOW,
    PREFIX,
    WorktreeError,
    checkout,
    committed_file,
    has_commit,
    resolve_revision,
    sweep,
)
from tests.end_to_end.tiny_project import commit, git, write

FILES = {
    "src/a.py": "a = 1\n", "conf/base/x.yml": "x: 1\n", ".gitignore": "/data/*\n/conf/local/*\n",
    "data/big.bin": "not code", "conf/local/secret.yml": "password: p\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders of the checkouts under test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one commit."""
    folder = tmp_path / "repository/project"
    for name, text in FILES.items():
        write(folder / name, text)
    git(folder.parent, "init", "--quiet")
    (folder.parent / "README").write_text("beside the project")
    commit(folder)
    return folder


def code(project: Path, patch: str | None = None) -> dict[str, str | None]:
    dirty = hashlib.sha256(patch.encode()).hexdigest() if patch else None
    return {"commit": git(project, "rev-parse", "HEAD").strip(), "dirty": dirty}


def patch_of(project: Path) -> str:
    return git(project, "diff", "--binary", "--relative", "HEAD")


def test_the_commit_is_there_and_nothing_else(project: Path) -> None:
    sealed = code(project)
    write(project / "src/a.py", "a = 2\n")
    commit(project)
    with checkout(project, sealed) as tree:
        assert (tree.path / "src/a.py").read_text() == "a = 1\n"
        assert (
            not (tree.path / "data").exists() and not (tree.path / "conf/local/secret.yml").exists()
        )
        assert sealed["commit"] is not None and sealed["commit"][:12] in tree.note


def test_the_users_tree_and_branches_stay(project: Path, scratch: Path) -> None:
    write(project / "src/a.py", "a = 3  # not committed\n")
    before = git(project, "status", "--porcelain"), git(project, "branch", "--list")
    with checkout(project, code(project)) as tree:
        write(tree.path / "src/a.py", "a = 4\n")
    assert (git(project, "status", "--porcelain"), git(project, "branch", "--list")) == before
    assert (project / "src/a.py").read_text() == "a = 3  # not committed\n"
    assert list(scratch.iterdir()) == []
    assert git(project, "worktree", "list").count("\n") == 1


def test_uncommitted_changes_are_laid_over_the_commit(project: Path) -> None:
    write(project / "src/a.py", "a = 5\n")
    patch = patch_of(project)
    sealed = code(project, patch)
    git(project, "checkout", "--quiet", "--", ".")
    with checkout(project, sealed, patch=patch) as tree:
        assert (tree.path / "src/a.py").read_text() == "a = 5\n"
        assert tree.note.endswith("with its uncommitted changes")
    assert (project / "src/a.py").read_text() == "a = 1\n"


@pytest.mark.parametrize(("patch", "words"), [(None, "not beside"), ("other", "not the one")])
def test_a_patch_that_is_missing_or_another_is_refused(
    project: Path, scratch: Path, patch: str | None, words: str
) -> None:
    with (
        pytest.raises(WorktreeError, match=words),
        checkout(project, code(project, "p"), patch=patch),
    ):
        pass
    assert list(scratch.iterdir()) == []


def test_an_error_inside_still_removes_the_checkout(project: Path, scratch: Path) -> None:
    with pytest.raises(ZeroDivisionError), checkout(project, code(project)):
        raise ZeroDivisionError
    assert list(scratch.iterdir()) == []


def test_it_may_be_kept(project: Path) -> None:
    with checkout(project, code(project), keep=True) as tree:
        pass
    sweep()
    assert (tree.path / "src/a.py").is_file()


def test_a_commit_that_is_gone_is_named(project: Path) -> None:
    with (
        pytest.raises(WorktreeError, match="commit 123456789012 is not here"),
        checkout(project, {"commit": "1234567890123456789012345678901234567890"}),
    ):
        pass


def test_the_tree_serves_where_its_code_is_the_sealed_one(tmp_path: Path) -> None:
    for name, text in FILES.items():
        write(tmp_path / "plain" / name, text)
    with checkout(tmp_path / "plain", {"commit": None}, same_code=lambda: True) as tree:
        assert (tree.path / "src/a.py").is_file()
        assert not (tree.path / "conf/local/secret.yml").exists()
        assert "the run knew no commit" in tree.note


def test_the_tree_as_it_stands_may_be_asked_for(project: Path) -> None:
    write(project / "src/b.py", "new")
    with checkout(project, code(project), revision=NOW) as tree:
        assert (tree.path / "src/b.py").is_file()
        assert not (tree.path / "data").exists()


def test_another_revision_may_be_asked_for(project: Path) -> None:
    sealed = code(project)
    write(project / "src/a.py", "a = 6\n")
    later = commit(project)
    assert resolve_revision(project, "HEAD") == later
    with checkout(project, sealed, revision=later) as tree:
        assert (tree.path / "src/a.py").read_text() == "a = 6\n"
    with pytest.raises(WorktreeError, match="no commit 'nowhere'"):
        resolve_revision(project, "nowhere")


def test_hooks_of_the_repository_are_not_run(project: Path, tmp_path: Path) -> None:
    hook = project.parent / ".git/hooks/post-checkout"
    write(hook, f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with checkout(project, code(project)):
        assert not (tmp_path / "ran").exists()


def test_a_file_of_a_commit(project: Path, tmp_path: Path) -> None:
    commit_ = code(project)["commit"] or ""
    write(project / "conf/base/x.yml", "x: 2\n")
    found = committed_file(project, commit_, "conf/base/x.yml", tmp_path / "old/x.yml")
    assert found is not None and found.read_text() == "x: 1\n"
    assert committed_file(project, commit_, "conf/base/y.yml", tmp_path / "y") is None
    assert has_commit(project, commit_) and not has_commit(tmp_path, commit_)


def test_what_a_killed_process_left_is_swept_by_any_project(
    project: Path, scratch: Path, tmp_path: Path
) -> None:
    program = (
        "import sys, time, tempfile; from pathlib import Path\n"
        f"tempfile.tempdir = {str(scratch)!r}\n"
        "from fin_kedro.verification.worktree import checkout\n"
        f"with checkout(Path({str(project)!r}), {code(project)!r}) as tree:\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    source = Path(__file__).parents[2] / "src"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    sweep()
    assert len(list(scratch.glob(f"{PREFIX}*"))) == 1, "its owner lives"
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.05)
    write(tmp_path / "other/a.py", "")
    git(tmp_path / "other", "init", "--quiet")
    with checkout(tmp_path / "other", {"commit": commit(tmp_path / "other")}):  # it sweeps
        assert len(list(scratch.glob(f"{PREFIX}*"))) == 1, "its own"
    assert list(scratch.glob(f"{PREFIX}*")) == []
    assert git(project, "worktree", "list").count("\n") == 1, "the repository knows, too"
