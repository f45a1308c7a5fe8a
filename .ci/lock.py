"""requirements.lock is in step with pyproject.toml.

Every requirement that pyproject.toml names is in the lock at a version it allows, every entry is
pinned and hashed, and nothing in it says where to download from.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ENTRY = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(.*)$", re.MULTILINE)


def named(root: Path) -> list[Requirement]:
    """Requirements of the project, its build and its dev group."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    texts = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    texts += project["dependency-groups"]["dev"]
    return [Requirement(text) for text in texts]


def locked(root: Path) -> dict[str, list[str]]:
    """Versions by canonical name; several where they differ by Python or platform."""
    versions: dict[str, list[str]] = {}
    for name, version, _ in ENTRY.findall((root / "requirements.lock").read_text("utf-8")):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def findings(root: Path) -> list[str]:
    """What is out of step, one line each."""
    found, versions = [], locked(root)
    for requirement in named(root):
        there = versions.get(canonicalize_name(requirement.name), [])
        if not there:
            found.append(f"{requirement.name}: in pyproject.toml, not in requirements.lock")
        for version in there:
            if not requirement.specifier.contains(version, prereleases=True):
                found.append(f"{requirement}: requirements.lock has {version}")
    lines = (root / "requirements.lock").read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if bare.startswith("-") and not bare.startswith("--hash=sha256:"):
            found.append(f"requirements.lock:{number}: an option, not a requirement: {bare[:60]}")
        elif line[:1].isalnum() and not ENTRY.match(line):
            found.append(f"requirements.lock:{number}: not pinned by ==: {line[:60]}")
        elif ENTRY.match(line) and "--hash=sha256:" not in "".join(lines[number : number + 1]):
            found.append(f"requirements.lock:{number}: no hash: {line[:60]}")
    return found


def main() -> int:
    found = findings(ROOT)
    for line in found:
        print(line)
    if found:
        print("Next: make lock")
        return 1
    print(f"{len(named(ROOT))} requirements of pyproject.toml are in the lock.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
