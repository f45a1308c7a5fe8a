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

from fin_kedro.seals.source_cache import SourceCache

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
        self._cache = SourceCache(self._src / "fin_kedro")

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
        self._cache.save()
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
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        source, beside = path.read_bytes(), self._beside(path)
        key = self._cache.key(source, package, *sorted(beside))
        if (found := self._cache.get(key)) is None:
            found = _findings(ast.parse(source, str(path)), package, set(beside))
            self._cache.put(key, found)
        digest, imported, named = found
        needs = {part for n in imported for part in _with_parents(n)} | _with_parents(package)
        files = {file for text in named for file in beside[text]}
        return str(digest), frozenset((needs & self.modules | files) - {name})

    def _beside(self, path: Path) -> dict[str, list[str]]:
        """Files beside a module that it may name, by the word that names them.

        ``reports/templates/a.css`` belongs to the module in ``reports`` that says "templates".
        """
        folder = f"{path.parent.relative_to(self._src).as_posix()}/"
        found: dict[str, list[str]] = {}
        for name in self._paths:
            if name.startswith(folder) and name not in self.modules:
                found.setdefault(name.removeprefix(folder).split("/")[0], []).append(name)
        return found


def _findings(tree: ast.AST, package: str, words: set[str]) -> tuple[str, list[str], list[str]]:
    """A module's hash, the dotted names it imports, and which of `words` it holds as texts."""
    imported = sorted(set(_import_names(tree, package)))
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} if words else set()
    return tree_hash(tree), imported, sorted(words & texts)


def named_in(value: Any, project: Path, sources: Sources) -> tuple[list[str], list[Path]]:
    """Modules and notebooks of the project that parameters name: code that no import shows.

    Args:
        value: a parameter's value; ``{"definitions": "fin_kedro.features.credit:credit_features"}``
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
    _drop_docstrings(tree)
    return _sha256(_EMPTY_FIELD.sub("", ast.dump(tree)).replace(", )", ")"))


def _drop_docstrings(node: Any) -> None:
    if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
    for statement in _statements(node, _BLOCKS):
        _drop_docstrings(statement)


def _statements(node: Any, blocks: Iterable[str]) -> Iterator[Any]:
    """The statements inside a statement; expressions are not looked through, which saves time."""
    for block in blocks:
        inside = getattr(node, block, None)
        yield from inside if isinstance(inside, list) else ()


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
        for statement in _statements(node, _BLOCKS[1:] if never else _BLOCKS):
            yield from _import_names(statement, package)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
