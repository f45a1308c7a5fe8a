"""What a file imports, directly or not: the modules of a package, and the libraries beside them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Files of the package, relative to it, and names of distributions; both in order."""

    files: tuple[Path, ...]
    distributions: tuple[str, ...]


def import_closure(script: Path, package: Path, *modules: str) -> Closure:
    """Follow the imports of a script through a package, without running any of them.

    An import inside a function is followed within the package, as a choice of store or format is
    made that way; a library imported inside a function is optional and left out. What stands under
    ``if TYPE_CHECKING:`` is not imported at all.

    Args:
        script: the file to begin with.
        package: the folder of the package, e.g. ``src/fin_kedro``.
        modules: dotted names that the script imports by their name in conf.
    """
    seen: set[Path] = set()
    libraries: set[str] = set()
    waiting = [(script, "")]
    imported = [(name, False) for name in modules]
    while waiting:
        path, parent = waiting.pop()
        imported += _imports(ast.parse(path.read_bytes()), parent)
        while imported:
            name, optional = imported.pop()
            if name.partition(".")[0] == package.name:
                found = [(f, p) for f, p in _files(name, package) if f not in seen]
                seen.update(file for file, _ in found)
                waiting += found
            elif not optional:
                libraries.add(name.partition(".")[0])
    known = packages_distributions()
    distributions = {d for name in libraries - sys.stdlib_module_names for d in known.get(name, ())}
    return Closure(
        files=tuple(sorted(path.relative_to(package) for path in seen)),
        distributions=tuple(sorted(distributions)),
    )


def _imports(tree: ast.AST, parent: str, optional: bool = False) -> Iterator[tuple[str, bool]]:
    """Dotted names that a tree may import, and whether only a call of a function does."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, parent)
            yield base, optional
            yield from ((f"{base}.{alias.name}", optional) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from _imports(ast.Module([other], []), parent, optional)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(node, parent, optional or inside)


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    if not node.level:
        return node.module or ""
    above = parent.split(".")
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _files(name: str, package: Path) -> list[tuple[Path, str]]:
    """The file of a module and those of the packages above it, each with its own package's name.

    Nothing for a name that is no module: `from package.module import name` names both kinds.
    """
    found, folder, parents = [], package.parent, ""
    for part in name.split("."):
        parents = f"{parents}.{part}".lstrip(".")
        folder /= part
        if (folder / "__init__.py").is_file():
            found.append((folder / "__init__.py", parents))
        elif folder.with_suffix(".py").is_file():
            found.append((folder.with_suffix(".py"), parents.rpartition(".")[0]))
    return found
