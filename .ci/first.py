"""The first execution of what is verified, where the tests have made it already.

    python .ci/first.py notebooks ROOT TREE      bring sealed notebooks into the checkout TREE
    python .ci/first.py run ROOT TREE            bring a trained project's data into TREE

Tests execute every notebook and train the whole project. What they leave lies under
ROOT/.tmp/first, by a key: a hash of everything it rests on that no seal names. `.ci/verify` takes
it where the seal says that code, data, parameters and environment are what they are in TREE; the
rest is executed anew. Exit status of `run` is 1 when there is nothing to bring.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STORE = ".tmp/first"
KEPT = "data/08_reporting/verify/notebooks"  # where `kedro verify --all` looks first
SETTINGS = ("conf", "data/01_raw", "pyproject.toml", "requirements.lock")
# a notebook of nbs_ci runs pipelines: it rests on all of the project, whatever it imports itself
WHOLE = (*SETTINGS, "src", "notebooks", "bentos")
# what is made beside code, and a person's keys in conf/local, which decide nothing
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", ".gitkeep", "catboost_info")
ENDINGS = (".egg-info", ".tmp", ".pem", ".key")


def key(root: Path, parts: tuple[str, ...] = SETTINGS) -> str:
    """Hash of files, by path and content, and of the Python that this is."""
    digest = hashlib.sha256(f"{platform.python_implementation()} {sys.version}".encode())
    for path in _files(root, parts):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(root: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    for part in parts:
        found = [root / part] if (root / part).is_file() else sorted((root / part).rglob("*"))
        for path in found:
            names = path.relative_to(root).parts
            made = any(n in LEFT_OUT or n.endswith(ENDINGS) for n in names)
            if path.is_file() and not made:
                yield path


def place(root: Path, name: str, tree: Path | None = None) -> Path:
    """Where the sealed execution of a notebook lies, of a tree (`root` itself) as it is now."""
    parts = WHOLE if name.startswith("nbs_ci/") else SETTINGS
    return root / STORE / key(tree or root, parts) / name


def run_place(root: Path, tree: Path | None = None) -> Path:
    """Where the data folder of a project that `kedro run --env ci` has trained lies."""
    return root / STORE / key(tree or root, WHOLE) / "run/data"


def keep(target: Path, text: str) -> None:
    """Write an executed notebook where `place` said before it was executed, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def keep_run(root: Path, project: Path) -> None:
    """Keep the data of a copy of `root` in which `kedro run --env ci` has ended well."""
    if key(root, WHOLE) != key(project, WHOLE):
        return
    target = run_place(root)
    if target.exists():
        return
    draft = target.with_name(f".data.{os.getpid()}")
    shutil.copytree(project / "data", draft, ignore=shutil.ignore_patterns("01_raw"))
    try:
        draft.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(draft, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove what was kept of other states of the tree."""
    now = {key(root, SETTINGS), key(root, WHOLE)}
    for folder in (root / STORE).glob("*"):
        if folder.name not in now:
            shutil.rmtree(folder, ignore_errors=True)


def bring_notebooks(root: Path, tree: Path) -> list[str]:
    """Copy kept executions into a checkout; their names. Whether the code is the same, and the
    outputs are as sealed, `kedro verify --all` asks itself."""
    from fin_kedro.verification.verify_all import repository_notebooks

    brought = []
    for name in repository_notebooks(tree):
        kept = place(root, name, tree)
        if fits(kept, tree):
            target = tree / KEPT / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, target)
            brought.append(name)
    return brought


def fits(kept: Path, tree: Path) -> bool:
    """Whether a kept execution has a sound seal, of this environment and the plain parameters."""
    import nbformat

    from fin_kedro.seals.notebook_seal import LOCATIONS
    from fin_kedro.seals.seal import check_seal, read_seal
    from fin_kedro.seals.surroundings import surroundings
    from sealed_kernel.parameters import declared_parameters

    if not kept.is_file():
        return False
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # torn or foreign
        seal = read_seal(kept)
        check_seal(seal)
        sealed, now = seal["content"]["environment"], surroundings(tree)
        parts = ("lock", "distributions", "python", "platform")  # a kernel's CPU features are fixed
        same = all(sealed[part] == now[part] for part in parts)
        declared = declared_parameters(nbformat.read(kept, as_version=4))
        plain = {n: p.default for n, p in declared.items() if n not in LOCATIONS}
        return same and seal["content"]["parameters"] == plain
    return False


def bring_run(root: Path, tree: Path) -> bool:
    """Copy a trained project's data into a checkout, if all of it is fresh there."""
    kept = run_place(root, tree)
    if not kept.is_dir():
        return False
    shutil.copytree(kept, tree / "data", dirs_exist_ok=True)
    if fresh(tree):
        return True
    for folder in (tree / "data").iterdir():
        if folder.name != "01_raw":
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    return False


def fresh(tree: Path) -> bool:
    """Whether `kedro status` finds nothing that would come out differently today."""
    command = [sys.executable, "-m", "kedro", "status", "--env", "ci", "--json"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    with contextlib.suppress(ValueError, KeyError):
        nodes = json.loads(done.stdout)["nodes"]
        return bool(nodes) and all(node["state"] == "fresh" for node in nodes.values())
    return False


def main(arguments: list[str]) -> int:
    what, root, tree = arguments[0], *map(Path, arguments[1:3])
    if what == "run":
        if not bring_run(root, tree):
            return 1
        print("== the run that the tests have made and sealed")
        return 0
    names = bring_notebooks(root, tree)
    sweep(root)
    print(f"== {len(names)} notebooks as the tests have executed and sealed them")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
