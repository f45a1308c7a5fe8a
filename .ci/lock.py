"""requirements.lock and .ci/tools.lock are in step with pyproject.toml, and with each other.

Every requirement that pyproject.toml names is in its lock at a version it allows, every entry is
pinned and hashed, nothing says where to download from, and nothing stands in both locks: the
tools' environment lies over .venv, where one distribution must have one version.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK, TOOLS_LOCK = "requirements.lock", ".ci/tools.lock"
ENTRY = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(.*)$", re.MULTILINE)


def named(root: Path) -> dict[str, list[Requirement]]:
    """By lock: the requirements of the project, its build and its dev group; of the tools."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    own = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    texts = {LOCK: [*own, *groups["dev"]], TOOLS_LOCK: groups["tools"]}
    return {lock: [Requirement(text) for text in listed] for lock, listed in texts.items()}


def locked(root: Path, lock: str) -> dict[str, list[str]]:
    """Versions by canonical name; several where they differ by Python or platform."""
    versions: dict[str, list[str]] = {}
    for name, version, _ in ENTRY.findall((root / lock).read_text("utf-8")):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def findings(root: Path) -> list[str]:
    """What is out of step, one line each."""
    asked = named(root)
    each = [line for lock in asked for line in out_of_step(root, lock, asked[lock])]
    return [*each, *twice(root)]


def out_of_step(root: Path, lock: str, asked: list[Requirement]) -> list[str]:
    """What one lock lacks or has at another version, and lines that are no pinned hashes."""
    found, versions = [], locked(root, lock)
    for requirement in asked:
        there = versions.get(canonicalize_name(requirement.name), [])
        if not there:
            found.append(f"{requirement.name}: in pyproject.toml, not in {lock}")
        for version in there:
            if not requirement.specifier.contains(version, prereleases=True):
                found.append(f"{requirement}: {lock} has {version}")
    lines = (root / lock).read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if bare.startswith("-") and not bare.startswith("--hash=sha256:"):
            found.append(f"{lock}:{number}: an option, not a requirement: {bare[:60]}")
        elif line[:1].isalnum() and not ENTRY.match(line):
            found.append(f"{lock}:{number}: not pinned by ==: {line[:60]}")
        elif ENTRY.match(line) and "--hash=sha256:" not in "".join(lines[number : number + 1]):
            found.append(f"{lock}:{number}: no hash: {line[:60]}")
    return found


def twice(root: Path) -> Iterator[str]:
    """What stands in both locks, but for what the first has on some platforms only."""
    text = (root / LOCK).read_text("utf-8")
    everywhere = {
        canonicalize_name(name) for name, _, rest in ENTRY.findall(text) if ";" not in rest
    }
    for name in sorted(everywhere & set(locked(root, TOOLS_LOCK))):
        yield f"{name}: in {LOCK} and in {TOOLS_LOCK}"


def main() -> int:
    found = findings(ROOT)
    for line in found:
        print(line)
    if found:
        print("Next: make lock")
        return 1
    number = sum(map(len, named(ROOT).values()))
    print(f"{number} requirements of pyproject.toml are in the two locks.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
