"""The code a run used: commit, patch of what is not committed, hashes of nodes and notebooks."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fin_kedro
from fin_kedro.seals.modules import Sources, notebook_hash, prose_hash
from fin_kedro.seals.withholding import withheld_patch
from fin_kedro.storage.canonical import file_hash, json_hash

# What a run may read: new files there belong to the patch.
READ = ("src", "conf", "notebooks", "bentos")
# conf/local is a person's own; credentials and keys are secrets wherever they lie.
NEVER = (
    ":(exclude)conf/local",
    *(f":(exclude,glob){pattern}" for pattern in
      ("conf/**/credentials*", "conf/**/credentials*/**", "**/*.pem", "**/*.key", "**/.env",
       "**/.env.*")),
)  # fmt: skip
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints")
# A patch is the same whatever the user's own settings of git are.
DIFF = (
    *("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--no-renames", "--src-prefix=a/", "--dst-prefix=b/", "--relative"),
)


@dataclass(frozen=True, kw_only=True)
class CommitState:
    """The commit, None without git, and the patch against it, None when the tree is clean."""

    commit: str | None = None
    patch: bytes | None = None

    @property
    def dirty(self) -> str | None:
        """Hash (sha256, hex) of the patch; None for a clean tree."""
        return hashlib.sha256(self.patch).hexdigest() if self.patch else None


def code_state(
    project: Path,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    notebooks: Iterable[Path] = (),
    named: Iterable[str] = (),
) -> tuple[dict[str, Any], bytes | None]:
    """Return a seal's part ``code``, and the patch of a dirty tree (None when it is clean).

    A patch that shows a secret is None too, and ``patch_withheld`` in the part says why.

    Args:
        project: its folder; without git, commit and patch are None.
        functions: of the nodes, by the node's name. A node's hash is of its module and of every
            project module it imports, directly or not; comments and docstrings do not count.
        notebooks: those whose code the run executes.
        named: modules that parameters name (`fin_kedro.seals.modules.named_in`).
    """
    project = Path(project).resolve()
    state = commit_state(project)
    src = source_folder()
    sources = Sources(src)
    needed = {name: _needed(f, sources) for name, f in (functions or {}).items()}
    notebooks = [Path(notebook) for notebook in notebooks]
    used = [sources.notebook_closure(notebook) for notebook in notebooks]
    used += [sources.closure(*named), *needed.values()]
    code = {
        "commit": state.commit,
        "dirty": state.dirty,
        "package": package_hash(src),
        "nodes": {name: json_hash(modules) for name, modules in sorted(needed.items())},
        "modules": {m: digest for modules in used for m, digest in modules.items()},
        "notebooks": {_relative(n, project): notebook_hash(n) for n in notebooks},
        "prose": {_relative(n, project): prose_hash(n) for n in notebooks},
    }
    if state.patch and (reason := withheld_patch(project, state.patch)):
        return {**code, "patch_withheld": reason}, None
    return code, state.patch


def source_folder() -> Path:
    """The folder of the packages that run: ``src``."""
    return Path(fin_kedro.__file__).resolve().parents[1]


def _needed(function: Callable[..., Any], sources: Sources) -> dict[str, str]:
    """The modules a function needs, with their hashes; for one of another project, its own."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    name = str(getattr(function, "__module__", None) or type(function).__module__)
    if (module := sources.module_of(name)) is not None:
        return sources.closure(module)
    file = inspect.getsourcefile(function) if inspect.isfunction(function) else None
    if file and Path(file).is_file():
        return {name: file_hash(file)}
    return {f"{name}.{getattr(function, '__qualname__', type(function).__qualname__)}": ""}


def package_hash(src: Path) -> str:
    """Hash (sha256, hex) of every file of the project's packages, by sorted relative name."""
    lines = [
        f"{file.relative_to(src).as_posix()} {file_hash(file)}"
        for package in ("fin_kedro", "sealed_kernel")
        for file in sorted((src / package).rglob("*"))
        if file.is_file() and not any(part in LEFT_OUT for part in file.parts)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def commit_state(project: Path) -> CommitState:
    """Return commit and patch of the project's tree, without changing git's index.

    A project that git does not know, such as a copy inside another project's ignored folder, has
    neither.
    """
    if shutil.which("git") is None or not (project / "pyproject.toml").is_file():
        return CommitState()
    known = _git(project, "ls-files", "--error-unmatch", "pyproject.toml", check=False)
    commit = _git(project, "rev-parse", "--verify", "--quiet", "HEAD", check=False)
    if known.returncode or commit.returncode:
        return CommitState()
    return CommitState(commit=commit.stdout.decode().strip(), patch=_patch(project) or None)


def _patch(project: Path) -> bytes:
    """``git diff HEAD`` with new files of READ, never of NEVER."""
    new = _git(
        project, "ls-files", "-z", "--others", "--exclude-standard", "--", *READ, *NEVER
    ).stdout
    if not new:
        return _git(project, *DIFF, "HEAD", "--", ".", *NEVER).stdout
    with tempfile.TemporaryDirectory(prefix="seal-") as folder:
        # the files are made known to a copy of the index, so that one patch holds all
        index = Path(folder) / "index"
        own = project / _git(project, "rev-parse", "--git-path", "index").stdout.decode().strip()
        if own.is_file():
            # with its time: by that git knows which files may have changed since unnoticed
            shutil.copy2(own, index)
        names = Path(folder) / "names"
        names.write_bytes(new)
        known = ("add", "--intent-to-add", "--pathspec-file-nul", f"--pathspec-from-file={names}")
        _git(project, *known, index=index)
        return _git(project, *DIFF, "HEAD", "--", ".", *NEVER, index=index).stdout


def _git(
    project: Path, *arguments: str, index: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run git in the project; ``index``: instead of the repository's own."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    result = subprocess.run(
        ["git", "-c", "core.quotepath=on", "-c", "diff.algorithm=myers", *arguments],  # noqa: S607
        cwd=project, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    if check and result.returncode:
        raise RuntimeError(
            f"`git {arguments[0]}` failed in {project}: {result.stderr.decode().strip()}. "
            "A seal needs to know what is not committed; mend the repository and run again."
        )
    return result


def _relative(path: Path | str, root: Path) -> str:
    path = Path(path).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
