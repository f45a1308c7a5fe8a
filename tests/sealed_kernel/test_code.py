"""Commit and changes of real repositories, with git and without it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sealed_kernel.code import CodeState, code_state

IDENTITY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **IDENTITY},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of two files."""
    root = tmp_path / "repository"
    (root / "deep/er").mkdir(parents=True)
    (root / "a b.py").write_text("x = 1\n")
    (root / "deep/c.py").write_text("y = 1\nz = 2\nthree = 3\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_tree_has_its_commit_from_any_folder_in_it(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    for folder in (repository, repository / "deep/er"):
        state = code_state(folder)
        assert state == CodeState(commit, False, (), repository)
        assert str(state) == f"{commit[:8]}, clean"


def test_changed_new_removed_and_renamed_files_are_named(repository: Path) -> None:
    (repository / "a b.py").write_text("x = 2\n")
    (repository / "new file.py").write_text("")
    git(repository, "mv", "deep/c.py", "deep/d e.py")
    state = code_state(repository)
    assert state.files == ("a b.py", "deep/d e.py", "new file.py")
    assert state.dirty is True
    assert str(state).endswith("dirty (3 files changed)")
    (repository / "a b.py").unlink()
    assert "a b.py" in code_state(repository).files


def test_a_conflict_is_a_change(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "other")
    (repository / "a b.py").write_text("x = 'other'\n")
    git(repository, "commit", "-q", "-a", "-m", "other")
    git(repository, "checkout", "-q", "main")
    (repository / "a b.py").write_text("x = 'main'\n")
    git(repository, "commit", "-q", "-a", "-m", "main")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    assert code_state(repository).files == ("a b.py",)


def test_an_ignored_file_is_no_change(repository: Path) -> None:
    (repository / ".git/info/exclude").write_text("*.log\n")
    (repository / "run.log").write_text("x")
    assert code_state(repository).dirty is False


def test_outside_a_repository_and_before_the_first_commit(tmp_path: Path) -> None:
    assert str(code_state(tmp_path)) == "in no repository"
    git(tmp_path, "init", "-q")
    state = code_state(tmp_path)
    assert state == CodeState(None, False, (), tmp_path)
    assert str(state) == "no commit yet"


@pytest.mark.parametrize("packed", [False, True])
def test_without_git_the_commit_is_known_and_changes_are_not(
    repository: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, worktree = git(repository, "rev-parse", "HEAD"), repository.parent / "worktree"
    git(repository, "worktree", "add", "-q", "-b", "side", str(worktree))
    if packed:
        git(repository, "pack-refs", "--all")
    monkeypatch.setenv("PATH", str(repository))
    for root in (repository, worktree):
        state = code_state(root)
        assert state == CodeState(commit, None, (), root)
        assert str(state) == f"{commit[:8]}, changes unknown (no git)"


def test_a_detached_head_is_read_without_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "checkout", "-q", "--detach")
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", "")
    assert code_state(repository).commit == commit


def test_variables_of_another_repository_do_not_lead_astray(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository.parent / "elsewhere"))
    assert code_state(repository).dirty is False
