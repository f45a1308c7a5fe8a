"""A scratch checkout of a sealed run's code: at its commit, its uncommitted changes laid over it.

The user's tree is never touched. The checkout is a detached git worktree in a temporary folder,
removed afterwards, also after an error; what a killed process left is removed by the next one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "fin-kedro-verify-"
KEEP = ".kept"
NOW = "now"
# What no run reads from the tree itself: data are put in by content, conf/local is nobody's else.
LEFT_OUT = frozenset(
    ("data", ".git", ".venv", "build", "dist", ".tmp", "mlruns", "logs", "catboost_info")
)
CACHES = shutil.ignore_patterns(
    "__pycache__", ".ipynb_checkpoints", "*.egg-info", ".*_cache", ".hypothesis"
)
PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")  # set inside a git hook


class WorktreeError(RuntimeError):
    """The sealed run's code cannot be had again; the message says what is missing."""


@dataclass(frozen=True)
class Checkout:
    """A scratch copy of the project: its folder, and what a reader should know about it."""

    path: Path
    note: str = ""


@contextmanager
def checkout(
    project: Path,
    code: Mapping[str, Any],
    *,
    patch: str | None = None,
    revision: str | None = None,
    same_code: Callable[[], bool] = lambda: False,
    keep: bool = False,
) -> Iterator[Checkout]:
    """A scratch copy of the project with the code that a seal names.

    Args:
        project: the Kedro project's folder, anywhere in its git repository.
        code: `content.code` of the seal (``commit``, ``dirty``).
        patch: uncommitted changes of the sealed run, kept beside its seal.
        revision: another code instead: ``now`` (the tree as it stands) or a git revision.
        same_code: asked when there is no such commit: whether the tree as it stands will do.
        keep: leave the folder behind.

    Raises WorktreeError when the commit is gone, or the patch is missing or another one.
    """
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield _filled(project.resolve(), folder / "tree", code, patch, revision, same_code)
    finally:
        if keep:
            (folder / KEEP).touch()
        else:
            _remove(folder)


def _filled(
    project: Path,
    target: Path,
    code: Mapping[str, Any],
    patch: str | None,
    revision: str | None,
    same_code: Callable[[], bool],
) -> Checkout:
    if revision == NOW:
        return Checkout(copy_tree(project, target), "the tree as it stands")
    commit = revision or code.get("commit")
    if commit and has_commit(project, commit):
        inside = _add(project, target, commit)
        if revision is None and code.get("dirty"):
            _apply(target, patch, str(code["dirty"]), inside.relative_to(target).as_posix())
        return Checkout(inside, f"commit {commit[:12]}" + _with_patch(code, revision))
    if revision is None and same_code():
        return Checkout(copy_tree(project, target), f"a copy of the tree: {_why(commit)}")
    raise WorktreeError(
        f"{_why(commit)}, and the tree as it stands is other code. Fetch the commit "
        f"(`git fetch --all`), or name another code with --with code=REVISION."
    )


def _why(commit: str | None) -> str:
    return f"commit {commit[:12]} is not here" if commit else "the run knew no commit"


def _with_patch(code: Mapping[str, Any], revision: str | None) -> str:
    return " with its uncommitted changes" if code.get("dirty") and revision is None else ""


def has_commit(project: Path, revision: str) -> bool:
    """Whether the project's repository holds a commit; False when there is no repository."""
    return _git(project, "cat-file", "-e", f"{revision}^{{commit}}").returncode == 0


def committed_file(project: Path, commit: str, path: str, target: Path) -> Path | None:
    """A file as a commit has it, written to `target`; None when the commit does not have it."""
    prefix = _git(project, "rev-parse", "--show-prefix").stdout.strip()
    if _git(project, "cat-file", "-e", f"{commit}:{prefix}{path}").returncode:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:{prefix}{path}"],  # noqa: S607
            cwd=project,
            stdout=file,
            check=True,
        )
    return target


def resolve_revision(project: Path, revision: str) -> str:
    """The commit that a revision (HEAD, a tag, a branch) names; WorktreeError when none."""
    found = _git(project, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        raise WorktreeError(
            f"no commit {revision!r} in {project}; `git log` lists commits, and `now` is the tree "
            "as it stands."
        )
    return found.stdout.strip()


def _add(project: Path, target: Path, commit: str) -> Path:
    """Add the worktree; the project's folder inside it."""
    added = _git(project, "worktree", "add", "--detach", "--force", str(target), commit)
    if added.returncode:
        raise WorktreeError(f"git could not check out {commit[:12]}: {added.stderr.strip()}")
    prefix = _git(project, "rev-parse", "--show-prefix").stdout.strip()
    inside = target / prefix
    (inside / "conf/local").mkdir(parents=True, exist_ok=True)
    return inside


def _apply(target: Path, patch: str | None, digest: str, inside: str) -> None:
    if patch is None:
        raise WorktreeError(
            "the run had uncommitted changes, and patch.diff is not beside its seal; "
            "take it from MLflow (artifact patch.diff)."
        )
    if hashlib.sha256(patch.encode("utf-8", "surrogateescape")).hexdigest() != digest:
        raise WorktreeError(
            "patch.diff beside the seal is not the one that was sealed; it was changed since."
        )
    place = [] if inside == "." else [f"--directory={inside}"]
    applied = _git(target, "apply", "--whitespace=nowarn", *place, "-", given=patch)
    if applied.returncode:
        raise WorktreeError(f"the run's uncommitted changes do not apply: {applied.stderr.strip()}")


def copy_tree(project: Path, target: Path) -> Path:
    """A plain copy of the project without data, environments and one's own settings."""
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(project.iterdir()):
        if source.name in LEFT_OUT or source.name.endswith((".egg-info", "_cache")):
            continue
        if source.is_dir():
            shutil.copytree(source, target / source.name, symlinks=True, ignore=_ignored(project))
        else:
            shutil.copy2(source, target / source.name)
    (target / "conf/local").mkdir(parents=True, exist_ok=True)
    return target


def _ignored(project: Path) -> Callable[[str, list[str]], set[str]]:
    own = str(project / "conf" / "local")

    def ignored(folder: str, names: list[str]) -> set[str]:
        return set(names) - {".gitkeep"} if folder == own else CACHES(folder, names)

    return ignored


def _remove(folder: Path) -> None:
    """Remove a scratch folder; a worktree in it from the repository that it belongs to."""
    tree = folder / "tree"
    owner = _repository(tree)
    if owner:
        _git(owner, "worktree", "remove", "--force", str(tree))
    shutil.rmtree(folder, ignore_errors=True)
    if owner:
        _git(owner, "worktree", "prune")


def _repository(tree: Path) -> Path | None:
    """The git folder of the repository that a worktree belongs to; None for a plain copy."""
    with suppress(OSError, ValueError):
        inner = (tree / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        return Path(inner).parents[1]  # of .git/worktrees/NAME
    return None


def sweep() -> None:
    """Remove scratch checkouts whose process is gone (killed before it could do so itself).

    They may be another project's; another user's are left alone.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):
            mine = folder.stat().st_uid == os.getuid()
            if mine and owner.isdecimal() and not _alive(int(owner)) and not _kept(folder):
                _remove(folder)


def _kept(folder: Path) -> bool:
    return (folder / KEEP).exists()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _git(
    folder: Path, *arguments: str, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; no hook of the user's is run, and nothing is asked."""
    environment = {name: value for name, value in os.environ.items() if name not in PLACES}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"]
    try:
        return subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError as error:  # no git on this machine, or no such folder
        return subprocess.CompletedProcess(command, 127, "", str(error))
