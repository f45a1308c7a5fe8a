"""Only the tests that a change can reach: ``make test FAST=1`` (`pytest -p tests.fast`).

The change is what differs from the branch that this one left (`git merge-base`), and what is not
committed. Which tests that reaches is asked of the graph of modules by which `kedro status` judges
staleness. What the graph does not know means more tests, never fewer. Tests that start whole runs
rest on everything; after a change of modules they run only where nothing else reaches it, or when
they import it themselves, and so do benchmarks. That is what makes it fast, and why it does not
replace `make test`.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CHOICE = "FIN_KEDRO_FAST"  # the choice, made once, for the workers of xdist
BASE = "FAST_BASE"  # a revision to compare with, instead of where the branch began
MAIN = ("main", "origin/main")
CONFTEST = "tests/conftest.py"
NOTEBOOK_TESTS = "tests/test_notebooks.py"
RUNS = "notebooks/validation/"  # reports are executed by whole runs
LONG = "notebooks/benchmarks/"  # each takes as long as a run
# Read by people, and by tests that name them.
WORDS = (".md", ".png", ".svg", ".txt")


@dataclass(frozen=True)
class TestFile:
    """A file of tests: what it imports and names, and whether it starts whole runs."""

    name: str
    helpers: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    starts_runs: bool = False


@dataclass
class Choice:
    """What is to be run, with the reason of each, and what is said about it."""

    files: dict[str, str] = field(default_factory=dict)
    notebooks: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """As workers are told it."""
        return json.dumps(vars(self))


class Tree:
    """The project's modules, notebooks and tests, as far as a choice needs them."""

    def __init__(self, root: Path = ROOT) -> None:
        from fin_kedro.seals.modules import Sources

        self.root = root
        self.sources = Sources(root / "src")

    @cached_property
    def tests(self) -> dict[str, TestFile]:
        """Every file of tests by its path, those that hold none included."""
        return {path.relative_to(self.root).as_posix(): self._read(path) for path in self._paths()}

    def _paths(self) -> list[Path]:
        return [
            path
            for path in sorted((self.root / "tests").rglob("*.py"))
            if "benchmarks" not in path.parts and "__pycache__" not in path.parts
        ]

    @cached_property
    def _fixtures(self) -> frozenset[str]:
        """Names of the root conftest that stand for a project and its runs: all but constants."""
        path = self.root / CONFTEST
        body = ast.parse(path.read_text("utf-8")).body if path.is_file() else []
        functions = [node for node in body if isinstance(node, ast.FunctionDef)]
        return frozenset(f.name for f in functions if not f.name.startswith(("_", "pytest_")))

    def _read(self, path: Path) -> TestFile:
        tree = ast.parse(path.read_text("utf-8"), str(path))
        name = path.relative_to(self.root).as_posix()
        package = ".".join(path.parent.relative_to(self.root).parts)
        imported = set(_imports(tree, package))
        texts = {node.value for node in ast.walk(tree) if _is_text(node)}
        named = {text.replace(":", ".") for text in texts if text.startswith("fin_kedro.")}
        modules = {m for n in imported | named if (m := self.sources.module_of(n))}
        above = [folder / "conftest.py" for folder in path.parents[: len(path.parts)]]
        beside = {
            p.relative_to(self.root).as_posix()
            for p in above
            if p.is_file() and p.is_relative_to(self.root / "tests") and p != path
        }
        return TestFile(
            name=name,
            helpers=frozenset({*_helpers(imported, self.root), *beside} - {name}),
            modules=frozenset(modules),
            texts=frozenset(texts),
            starts_runs=bool(self._fixtures & _asked(tree)),
        )

    @cached_property
    def notebooks(self) -> dict[str, Path]:
        """Every notebook that `tests/test_notebooks.py` executes, by its path."""
        found = sorted((self.root / "notebooks").rglob("*.ipynb"))
        named = {p.relative_to(self.root).as_posix(): p for p in found}
        return {
            name: path
            for name, path in named.items()
            if not name.startswith(RUNS) and not any(p.startswith(".") for p in path.parts[1:])
        }

    def needs(self, name: str) -> frozenset[str]:
        """The test files that a test file imports, directly or not; not the root conftest's."""
        found: set[str] = set()
        waiting = list(self.tests[name].helpers)
        while waiting:
            one = waiting.pop()
            if one not in found and one in self.tests:
                found.add(one)
                waiting += self.tests[one].helpers if one != CONFTEST else ()
        return frozenset(found)

    def direct(self, name: str) -> frozenset[str]:
        """Modules that a test file names itself, or its helpers do."""
        helpers = self.needs(name) - {CONFTEST}
        return self.tests[name].modules.union(*(self.tests[h].modules for h in helpers))

    def reach(self, name: str) -> frozenset[str]:
        """Everything of `src` that a test file rests on by imports."""
        return frozenset(self.sources.closure(*self.direct(name)))

    def mirrors(self, name: str, module: str) -> bool:
        """Whether a test file stands where the module's own tests stand."""
        room, _, last = module.removeprefix("fin_kedro.").rpartition(".")
        return name.endswith(f"{room.replace('.', '/')}/test_{last}.py")

    def made_by(self, notebook: str) -> str | None:
        """The module that a notebook makes, by its dotted name."""
        from fin_kedro.authoring.notebook import read_notebook

        path = self.root / notebook
        made = read_notebook(path).module if path.is_file() else None
        return f"fin_kedro.{made.replace('/', '.')}" if made else None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that a tree imports, at its top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *([node.module or ""])]).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _helpers(imported: Iterable[str], root: Path) -> Iterator[str]:
    """Files of tests that dotted names lead to."""
    for name in imported:
        parts = name.split(".")
        for end in range(len(parts), 1, -1) if parts[0] == "tests" else ():
            path = Path(*parts[:end]).with_suffix(".py")
            if (root / path).is_file():
                yield path.as_posix()
                break


def _asked(tree: ast.AST) -> set[str]:
    """Names by which tests come by a project: what they import, and the fixtures they ask for,
    unless the file defines its own under that name."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    own = {function.name for function in functions}
    asked = {arg.arg for function in functions for arg in function.args.args}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    taken = {
        a.name for node in imports if (node.module or "").endswith("conftest") for a in node.names
    }
    return (asked - own) | taken


# What has changed, and what that reaches


def changed_files(root: Path = ROOT) -> tuple[list[str], str]:
    """Paths that differ from where this branch began, uncommitted ones too; and that commit."""
    base = next((b for name in _bases() if (b := _git(root, "merge-base", "HEAD", name))), "HEAD")
    changed = _git(root, "diff", "--name-only", "--no-renames", base).splitlines()
    new = _git(root, "ls-files", "--others", "--exclude-standard").splitlines()
    return sorted({*changed, *new}), base


def _bases() -> list[str]:
    given = os.environ.get(BASE)
    return [given] if given else list(MAIN)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if not done.returncode else ""


def choose(changed: Iterable[str], tree: Tree) -> Choice:
    """The tests that a change of these files can reach."""
    changed, choice = list(changed), Choice()
    modules: dict[str, str] = {}
    for path in changed:
        if module := _module(path, tree):
            modules[module] = path
        else:
            _choose_for_file(path, tree, choice)
        if path.endswith(".ipynb") and (made := tree.made_by(path)):
            modules.setdefault(made, path)
    left = _choose_for_modules(modules, tree, choice)
    choice.lines = [*_described(changed, choice, tree), *left]
    return choice


def _module(path: str, tree: Tree) -> str | None:
    """The name by which the graph knows a file of `src`; None when it does not."""
    inside = path.removeprefix("src/")
    if inside == path or not (tree.root / path).is_file():
        return None
    dotted = inside.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    name = dotted if path.endswith(".py") else inside  # a template, by its path
    return name if name in tree.sources.closure(name) else None


def _choose_for_modules(modules: Mapping[str, str], tree: Tree, choice: Choice) -> list[str]:
    """Choose tests and notebooks that rest on changed modules; what is left out, in words."""
    waiting: set[str] = set()
    reached: set[str] = set()
    for name, file in tree.tests.items():
        if not _has_tests(name):
            continue
        found = modules.keys() & tree.reach(name)
        close = found & tree.direct(name) | {m for m in modules if tree.mirrors(name, m)}
        if close or (found and not file.starts_runs):
            choice.files.setdefault(name, f"rests on {modules[min(close or found)]}")
            reached |= found | close
        elif file.starts_runs:
            waiting.add(name)
    long = {}
    for name, path in tree.notebooks.items():
        if found := modules.keys() & tree.sources.notebook_closure(path).keys():
            chosen = long if name.startswith(LONG) else choice.notebooks
            chosen.setdefault(name, f"imports {modules[min(found)]}")
            reached |= found if chosen is not long else set()
    waiting -= choice.files.keys()
    if missed := sorted(modules.keys() - reached):
        for name in waiting:
            choice.files[name] = f"starts whole runs; no other test reaches {modules[missed[0]]}"
        choice.notebooks |= {**long, **choice.notebooks}
        return []
    left = [f"{len(waiting)} files of tests that start whole runs"] if modules and waiting else []
    left += [f"{len(long.keys() - choice.notebooks.keys())} benchmarks"] if long else []
    return [f"Left to `make test`: {' and '.join(left)}."] if left else []


def _choose_for_file(path: str, tree: Tree, choice: Choice) -> None:
    """Choose tests for a changed file that is no module."""
    if path in tree.tests or path.startswith("tests/benchmarks/"):
        _choose_test_file(path, tree, choice)
    elif path in tree.notebooks:
        choice.notebooks[path] = "changed"
        choice.files.setdefault(NOTEBOOK_TESTS, f"executes {path}")
    elif path.startswith(("conf/", RUNS, "bentos/")):
        _choose_readers(path, tree, choice, runs=True)
    elif path.endswith(WORDS) or path.startswith((".ci/", "nbs_ci/", "docs/")) or path in (
        "Makefile", ".gitignore", "LICENSE",
    ):  # fmt: skip
        _choose_readers(path, tree, choice, runs=False)
    else:
        _choose_all(tree, choice, f"{path} is in no graph")


def _choose_test_file(path: str, tree: Tree, choice: Choice) -> None:
    if path == CONFTEST or path.endswith("__init__.py"):
        _choose_all(tree, choice, f"{path} serves all tests")
        return
    for name in tree.tests:
        if _has_tests(name) and (name == path or path in tree.needs(name)):
            choice.files.setdefault(name, "changed" if name == path else f"uses {path}")


def _choose_readers(path: str, tree: Tree, choice: Choice, *, runs: bool) -> None:
    """Tests that name a file or a folder above it, that look at all files, or start runs."""
    parts = Path(path).parts
    names = {path, parts[0], parts[-1], f"{parts[0]}/"}
    if path.endswith((".py", ".yml", ".yaml")):  # the name by which a test loads it
        names.add(Path(path).stem)
    for name, file in tree.tests.items():
        helpers = tree.needs(name) - {CONFTEST}  # it copies everything, for those that start runs
        read = {*file.texts, *(t for h in helpers for t in tree.tests[h].texts)}
        named = any(text in names or path.startswith(f"{text.rstrip('/')}/") or
                    (text.startswith(f"{parts[0]}/")) for text in read if text)  # fmt: skip
        looks = name == "tests/test_tree.py"  # it searches every file
        if _has_tests(name) and (named or looks or (runs and file.starts_runs)):
            choice.files.setdefault(name, f"reads {path}")
    for name, notebook in tree.notebooks.items() if runs else ():
        if parts[0] in notebook.read_text("utf-8") or "open_catalog" in notebook.read_text("utf-8"):
            choice.notebooks.setdefault(name, f"reads {parts[0]}/")


def _choose_all(tree: Tree, choice: Choice, reason: str) -> None:
    for name in tree.tests:
        if _has_tests(name):
            choice.files.setdefault(name, reason)
    for name in tree.notebooks:
        choice.notebooks.setdefault(name, reason)


def _has_tests(name: str) -> bool:
    return Path(name).name.startswith("test_")


def _described(changed: list[str], choice: Choice, tree: Tree) -> list[str]:
    """What has changed, and what is chosen for which reason, in a few lines."""
    if not changed:
        return []
    whole = sum(map(_has_tests, tree.tests))
    lines = [
        f"Changed: {_some(changed)}.",
        f"Chosen: {len(choice.files)} of {whole} files of tests, and "
        f"{len(choice.notebooks)} of {len(tree.notebooks)} notebooks.",
    ]
    reasons: dict[str, list[str]] = {}
    for name, reason in {**choice.files, **choice.notebooks}.items():
        reasons.setdefault(reason, []).append(name)
    lines += [f"  {reason}: {_some(names)}" for reason, names in sorted(reasons.items())]
    return lines


def _some(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


# As pytest's plugin


def pytest_configure(config: pytest.Config) -> None:
    """Choose once, before anything is collected; workers are told by a variable."""
    if hasattr(config, "workerinput"):
        return
    changed, base = changed_files()
    choice = choose(changed, Tree()) if changed else Choice()
    os.environ[CHOICE] = choice.to_json()
    print(f"FAST=1: only what a change since {base[:12]} can reach; `make test` runs everything.")
    print("\n".join(choice.lines), flush=True)
    if not choice.files and not choice.notebooks:
        pytest.exit("Nothing that tests look at has changed: nothing to run.", returncode=0)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Do not even read a file of tests that is not chosen."""
    choice, name = _told(), collection_path.relative_to(ROOT).as_posix()
    chosen = name in choice["files"] or (name == NOTEBOOK_TESTS and choice["notebooks"])
    return True if collection_path.is_file() and _has_tests(name) and not chosen else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests of notebooks, keep those of the chosen ones; what stands closest comes first."""
    choice = _told()
    every = choice["files"].get(NOTEBOOK_TESTS, "executes").partition(" ")[0] != "executes"
    kept = [item for item in items if every or _keeps(item, choice["notebooks"])]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def _keeps(item: pytest.Item, notebooks: Mapping[str, str]) -> bool:
    if item.path.relative_to(ROOT).as_posix() != NOTEBOOK_TESTS:
        return True
    found = getattr(item, "callspec", None)
    path = found.params.get("path") if found else None
    return path is None or Path(path).relative_to(ROOT).as_posix() in notebooks


def _told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ[CHOICE])
    return found
