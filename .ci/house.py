"""The shape of the house: rooms, and what holds them small and in order.

    python .ci/house.py      prints a table of the rooms; exit status 1 when a limit is passed

Limits stand in .ci/limits.toml: lines of a file, share of the biggest room. No file imports,
directly or through others, what imports it; an import inside a function counts as any other.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Path(__file__).with_name("limits.toml")
PACKAGES = ("fin_kedro", "sealed_kernel")
Needs = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Room:
    """A folder (or, at the package's root, its single files): size, and how deep it stands."""

    name: str
    files: int
    lines: int
    depth: int


def modules(src: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """Every module by its dotted name, with its file."""
    return {
        ".".join(path.relative_to(src).with_suffix("").parts).removesuffix(".__init__"): path
        for package in packages
        for path in sorted((src / package).rglob("*.py"))
    }


def lines(path: Path) -> int:
    """Lines of a file, blank ones and comments too: as an editor counts them."""
    return len(path.read_text("utf-8").splitlines())


def imports(packages: tuple[str, ...] = PACKAGES) -> Needs:
    """What each module imports of the packages; what stands under TYPE_CHECKING is never run."""
    import grimp  # of the tools; what else is here needs none of them

    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True, cache_dir=None)
    found = {m: frozenset(graph.find_modules_directly_imported_by(m)) for m in graph.modules}
    return {name: needs - {name} for name, needs in found.items()}


def circles(needs: Needs) -> list[list[str]]:
    """Groups of modules in which each can reach every other (Tarjan's components of two or more).

    R. Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1 (1972).
    """
    found, order, low, stack = [], {}, {}, []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(needs.get(name, ())):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(needs):
        if name not in order:
            visit(name)
    return sorted(found)


def room_of(path: Path, src: Path) -> str:
    """The room of a file: the folder below its package; of a file at the root, the package."""
    package, *inside = path.relative_to(src).parts
    return f"{package}.{inside[0]}" if len(inside) > 1 else package


def depths(needs: Needs, rooms: Mapping[str, str]) -> dict[str, int]:
    """How many rooms deep each room stands: 0 imports no other, else one more than its deepest.

    Rooms in a circle (two folders may import each other's files without a circle of files) count
    each other once.
    """
    between: dict[str, set[str]] = {room: set() for room in rooms.values()}
    for name, others in needs.items():
        between[rooms[name]] |= {rooms[o] for o in others if o in rooms} - {rooms[name]}

    def depth(room: str, above: frozenset[str]) -> int:
        below = [depth(other, above | {room}) for other in between[room] - above]
        return 1 + max(below) if below else 0

    return {room: depth(room, frozenset()) for room in between}


def rooms(files: Mapping[str, Path], needs: Needs, src: Path) -> list[Room]:
    """The rooms, the biggest first."""
    named = {name: room_of(path, src) for name, path in files.items()}
    deep = depths(needs, named)
    grouped: dict[str, list[Path]] = {}
    for name, path in files.items():
        grouped.setdefault(named[name], []).append(path)
    found = [Room(n, len(paths), sum(map(lines, paths)), deep[n]) for n, paths in grouped.items()]
    return sorted(found, key=lambda room: (-room.lines, room.name))


def problems(
    files: Mapping[str, Path], needs: Needs, src: Path, limits: Mapping[str, float]
) -> Iterator[str]:
    """What passes a limit, in words."""
    for path in files.values():
        if (count := lines(path)) > limits["lines"]:
            name = path.relative_to(src.parent).as_posix()
            yield f"{name} has {count} lines; {limits['lines']:g} are allowed"
    for group in circles(needs):
        yield f"an import circle: {', '.join(group)}"
    found = rooms(files, needs, src)
    whole = sum(room.lines for room in found)
    for room in found:
        if (share := 100 * room.lines / whole) >= limits["share"]:
            most = f"below {limits['share']:g} % is allowed"
            yield f"{room.name} holds {share:.1f} % of the lines; {most}"


def table(found: list[Room]) -> list[str]:
    """The rooms as lines of text."""
    whole = sum(room.lines for room in found)
    rows = [f"{'room':<28} {'files':>5} {'lines':>7} {'share':>7} {'depth':>5}"]
    rows += [
        f"{room.name:<28} {room.files:>5} {room.lines:>7,} {room.lines / whole:>7.1%}"
        f" {room.depth:>5}"
        for room in found
    ]
    files = sum(room.files for room in found)
    rows.append(f"{'in all':<28} {files:>5} {whole:>7,}")
    rows.append("depth: how many rooms lie below a room, one on the other, by what they import")
    return rows


def main() -> int:
    sys.path.insert(0, str(ROOT / "src"))  # this checkout's packages, whatever is installed
    src = ROOT / "src"
    files, needs = modules(src), imports()
    print("\n".join(table(rooms(files, needs, src))))
    limits = tomllib.loads(LIMITS.read_text("utf-8"))["house"]
    found = list(problems(files, needs, src, limits))
    for line in found:
        print(line)
    if found:
        print(f"{len(found)} limit(s) of .ci/limits.toml passed. Next: split, move, or break up.")
        return 1
    print(
        f"No circle, no file over {limits['lines']} lines, no room of {limits['share']} % or more."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
