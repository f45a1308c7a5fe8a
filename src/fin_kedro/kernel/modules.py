"""The project's code as a graph of modules: what each imports, and a hash that says if it changed.

The hash is of a module's syntax tree without docstrings, so that comments, docstrings and layout
change nothing. Nothing is imported to find it, and no module is read that nobody asks about.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

PACKAGES = ("fin_kedro", "sealed_kernel")
# Definitions whose first statement may be a docstring.
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Where statements stand inside a statement.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
# What editors and Python leave beside code.
_NOT_CODE = ("__pycache__", ".ipynb_checkpoints")
# Python 3.11 and 3.12 write out empty fields, 3.13 does not.
_EMPTY_FIELD = re.compile(r"\b\w+=\[\](, )?")


class Sources:
    """The modules of a project's packages and the other files beside them, by name.

    A module is called by its dotted name, another file by its path from ``src``.

    Args:
        src: the folder of the packages.
        packages: those to look at; one that is not there is passed over.
    """

    def __init__(self, src: Path, packages: Iterable[str] = PACKAGES) -> None:
        self._src = Path(src)
        self._paths = {n: p for package in packages for p, n in _files(self._src, package)}
        self._read: dict[str, tuple[str, frozenset[str]]] = {}

    @cached_property
    def modules(self) -> frozenset[str]:
        """Every module's dotted name."""
        return frozenset(name for name, path in self._paths.items() if path.suffix == ".py")

    def hash(self, name: str) -> str:
        """Hash (sha256, hex) of one module's code, or of one file. KeyError for another name."""
        return self._look(name)[0]

    def needs(self, name: str) -> frozenset[str]:
        """The modules that one imports, and the files it names; not what those need in turn."""
        return self._look(name)[1]

    def closure(self, *roots: str) -> dict[str, str]:
        """Everything that `roots` need, directly or not, themselves included, with its hash.

        Names that are no module of the project are passed over.
        """
        found: dict[str, str] = {}
        waiting = [name for name in roots if name in self._paths]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.hash(name)
                waiting += self.needs(name)
        return dict(sorted(found.items()))

    def module_of(self, dotted: str) -> str | None:
        """The longest beginning of `dotted` that is a module: of ``a.b.function`` it is ``a.b``."""
        parts = dotted.split(".")
        ends = range(len(parts), 0, -1)
        return next((n for e in ends if (n := ".".join(parts[:e])) in self.modules), None)

    def notebook_closure(self, path: Path) -> dict[str, str]:
        """Everything that the code cells of a notebook import, directly or not, with its hash."""
        trees = [tree for code in code_cells(path) if (tree := _parsed(code)) is not None]
        return self.closure(*{n for tree in trees for n in _imported(tree, "", self.modules)})

    def _look(self, name: str) -> tuple[str, frozenset[str]]:
        if name not in self._read:
            path = self._paths[name]
            self._read[name] = (
                self._look_at_module(name, path)
                if name in self.modules
                else (hashlib.sha256(path.read_bytes()).hexdigest(), frozenset())
            )
        return self._read[name]

    def _look_at_module(self, name: str, path: Path) -> tuple[str, frozenset[str]]:
        tree = ast.parse(path.read_bytes(), str(path))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        needs = _imported(tree, package, self.modules) | _with_parents(package) & self.modules
        return tree_hash(tree), needs | self._named_files(tree, path) - {name}

    def _named_files(self, tree: ast.AST, path: Path) -> frozenset[str]:
        """Files beside a module that it names: ``kernel/templates/a.css`` by "templates"."""
        folder = f"{path.parent.relative_to(self._src).as_posix()}/"
        beside = [n for n in self._paths if n.startswith(folder) and n not in self.modules]
        if not beside:
            return frozenset()
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        return frozenset(n for n in beside if n.removeprefix(folder).split("/")[0] in texts)


def named_in(value: Any, project: Path, sources: Sources) -> tuple[list[str], list[Path]]:
    """Modules and notebooks of the project that parameters name: code that no import shows.

    Args:
        value: a parameter's value; ``{"statistics": "fin_kedro.features.fraud:fraud_statistics"}``
            names a module, ``{"notebook": "notebooks/validation/model_validation.ipynb"}`` a
            notebook, by its path from `project` or an absolute one.
    """
    texts = [text for text in _texts(value) if "\n" not in text]
    modules = {m for text in texts if _DOTTED.match(text) and (m := sources.module_of(_name(text)))}
    notebooks = {p for text in texts if text.endswith(".ipynb") and (p := project / text).is_file()}
    return sorted(modules), sorted(notebooks)


_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+(:\w+)?$")


def _name(text: str) -> str:
    return text.replace(":", ".")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(entry)


def notebook_hash(path: Path) -> str:
    """Hash (sha256, hex) of the code cells of a notebook, in order: prose and outputs do not count.

    A cell that is no plain Python (it holds a magic) counts as its text.
    """
    trees = [(code, _parsed(code)) for code in code_cells(path)]
    parts = [tree_hash(tree) if tree is not None else code for code, tree in trees]
    return _sha256(json.dumps([part for part in parts if part != tree_hash(ast.Module([], []))]))


def prose_hash(path: Path) -> str:
    """Hash (sha256, hex) of the prose of a notebook, and of its code as it is shown: a report has
    both in it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = [
        ["".join(cell["source"]), cell["cell_type"]]
        for cell in cells
        if "injected-parameters" not in cell.get("metadata", {}).get("tags", ())
    ]
    return _sha256(json.dumps(shown))


def code_cells(path: Path) -> list[str]:
    """The sources of a notebook's code cells, in order; injected parameters are not its source."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
        and "injected-parameters" not in cell.get("metadata", {}).get("tags", ())
    ]


def tree_hash(tree: ast.AST) -> str:
    """Hash (sha256, hex) of a syntax tree without docstrings and places; Python 3.11 to 3.13.

    Docstrings are taken out of `tree` itself.
    """
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return _sha256(_EMPTY_FIELD.sub("", ast.dump(tree)).replace(", )", ")"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except SyntaxError:
        return None


def _files(src: Path, package: str) -> Iterator[tuple[Path, str]]:
    """Each file of a package: a module by its dotted name, another by its path."""
    for path in sorted((src / package).rglob("*")):
        inside = path.relative_to(src)
        if path.is_file() and not any(part in _NOT_CODE for part in inside.parts):
            dotted = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
            yield path, dotted if path.suffix == ".py" else inside.as_posix()


def _imported(tree: ast.AST, package: str, known: frozenset[str]) -> frozenset[str]:
    """Modules that a tree imports, those inside functions too, and the packages above them."""
    named = {part for name in _import_names(tree, package) for part in _with_parents(name)}
    return frozenset(named & known)


def _with_parents(name: str) -> frozenset[str]:
    parts = name.split(".")
    return frozenset(".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _import_names(node: Any, package: str) -> Iterator[str]:
    """Dotted names that may be modules; what stands under ``if TYPE_CHECKING:`` is never run."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, package)
        yield from (f"{base}.{alias.name}" for alias in node.names)
    else:
        never = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for block in _BLOCKS[1:] if never else _BLOCKS:
            inside = getattr(node, block, None)
            for statement in inside if isinstance(inside, list) else ():
                yield from _import_names(statement, package)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
