"""Which code a process runs: the commit, and whether the working tree departs from it.

One git process, started early and read when it is asked for; where there is no git, the commit is
read from `.git` and whether the tree is dirty stays unknown.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

STATUS = ("git", "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal")
SECONDS = 10.0


@dataclass(frozen=True)
class CodeState:
    """Commit and state of the working tree.

    `commit` is None outside a repository, and before the first commit. `dirty`: whether a file
    differs from the commit or is not tracked; None when nobody could say. `files`: those that do,
    relative to `root`, the repository's top folder.
    """

    commit: str | None
    dirty: bool | None
    files: tuple[str, ...] = ()
    root: Path | None = None

    def __str__(self) -> str:
        """Short form, as in `a1b2c3d4, 2 files changed`."""
        if self.commit is None:
            return "in no repository" if self.root is None else "no commit yet"
        known = "changes unknown (no git)" if self.dirty is None else self._changes()
        return f"{self.commit[:8]}, {known}"

    def _changes(self) -> str:
        many = len(self.files)
        return "clean" if not many else f"dirty ({many} file{'s' if many > 1 else ''} changed)"


class CodeProbe:
    """Asks git in the background; `state()` waits for the answer, at most `SECONDS`."""

    def __init__(self, folder: Path) -> None:
        self._root = repository(folder)
        self._state: CodeState | None = None
        self._git: subprocess.Popen[bytes] | None = None
        if self._root is not None:
            self._git = _ask_git(self._root)

    def state(self) -> CodeState:
        """What git said; asked once."""
        if self._state is None:
            self._state = self._answer()
        return self._state

    def _answer(self) -> CodeState:
        if self._root is None:
            return CodeState(None, None)
        if self._git is not None:
            try:
                out, _ = self._git.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                self._git.kill()
                self._git.communicate()
            else:
                if self._git.returncode == 0:
                    return read_status(out.decode("utf-8", "replace"), self._root)
        return CodeState(_head(self._root), None, root=self._root)


def code_state(folder: Path) -> CodeState:
    """The state of the repository that `folder` lies in; never raises for what git does."""
    return CodeProbe(folder).state()


def repository(folder: Path) -> Path | None:
    """The top folder of the working tree around `folder`; None outside one."""
    start = Path(folder).resolve()
    return next((place for place in (start, *start.parents) if (place / ".git").exists()), None)


def _ask_git(root: Path) -> subprocess.Popen[bytes] | None:
    # no lock of the index: a commit that runs beside this must not fail for it
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    try:
        return subprocess.Popen(
            STATUS,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def read_status(text: str, root: Path) -> CodeState:
    """The state that `git status --porcelain=v2 --branch -z` describes."""
    commit, files, records = None, [], iter(text.split("\0"))
    for record in records:
        kind, _, rest = record.partition(" ")
        if record.startswith("# branch.oid "):
            commit = record.rpartition(" ")[2]
        elif kind in FIELDS:
            files.append(rest.split(" ", FIELDS[kind])[-1])
        if kind == "2":
            next(records, None)  # the name before the renaming
    commit = None if commit == "(initial)" else commit
    return CodeState(commit, bool(files), tuple(sorted(files)), root)


# kind of a record → fields before the path, the kind left out
FIELDS = {"1": 7, "2": 8, "u": 9, "?": 0}


def _head(root: Path) -> str | None:
    """The commit as `.git` has it, read without git."""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree: a file that says where
            git = (root / git.read_text("utf-8").partition(":")[2].strip()).resolve()
        head = (git / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        return _reference(git, head.removeprefix("ref: "))
    except OSError:
        return None


def _reference(git: Path, name: str) -> str | None:
    common = git / "commondir"
    shared = (git / common.read_text("utf-8").strip()).resolve() if common.is_file() else git
    if (shared / name).is_file():
        return (shared / name).read_text("utf-8").strip()
    packed = (shared / "packed-refs").read_text("utf-8").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
