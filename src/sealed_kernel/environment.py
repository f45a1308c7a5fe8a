"""The installed distributions against `requirements.lock`: which differ, and in what.

Versions are read from the names of the `.dist-info` folders, which takes milliseconds; on demand
every installed file is hashed and held against its distribution's own RECORD.

    python -m sealed_kernel.environment [LOCK] [--hashes]
"""

from __future__ import annotations

import argparse
import base64
import binascii
import csv
import functools
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["missing", "version", "changed", "extra"]
ENTRY = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)[^\S\n]*(?:;[^\S\n]*([^\\\n]*?))?[^\S\n]*\\?$",
    re.MULTILINE,
)
FOLDER = re.compile(r"^(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$")
LOCK, LOCK_NAMED = "requirements.lock", "FIN_KEDRO_LOCK"
OWN = frozenset({"fin-kedro"})
# a virtual environment is born with these; they install, and no run imports them
SEEDS = frozenset({"pip", "setuptools", "wheel", "distribute"})
NOTES = frozenset(
    ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json", "RECORD")
)
NO_PACKAGE = "(no package)"
SHOWN = 5  # changed files of one distribution that are named


@dataclass(frozen=True, order=True)
class Problem:
    """One distribution that is not as the lock says.

    `missing`: locked, not installed. `version`: another one is installed. `extra`: installed, not
    locked; under the name `(no package)`, `files` that no RECORD knows. `changed`: `files` differ
    from what the distribution's RECORD says. At most five files are named, then a count. `locked`
    and `installed` are versions, None where there is none.
    """

    name: str
    kind: Kind
    locked: str | None
    installed: str | None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it as a person would."""
        files = ", ".join(self.files)
        if self.name == NO_PACKAGE:
            return f"installed, but part of no package: {files}"
        return {
            "missing": f"{self.name} {self.locked} is not installed",
            "version": f"{self.name} is {self.installed}, the lock has {self.locked}",
            "extra": f"{self.name} {self.installed} is installed, the lock does not have it",
            "changed": f"{self.name} {self.installed} was changed after it was installed: {files}",
        }[self.kind]


@dataclass(frozen=True)
class EnvironmentReport:
    """How an environment compares with its lock.

    `lock_sha256` is None when there is no lock file. `distributions_sha256` is over the sorted
    lines `name==version` of everything installed but the project itself and pip's kin; `libraries`
    are those names and versions.
    `records_sha256`, only when files were hashed, is over what the RECORDs say of the libraries'
    files; it is the same whoever installed them, and wherever. `seconds` the comparison took.
    """

    lock_sha256: str | None
    distributions_sha256: str
    problems: tuple[Problem, ...]
    seconds: float
    records_sha256: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def matches(self) -> bool | None:
        """Whether the environment is the locked one; None when there is no lock to say so."""
        return None if self.lock_sha256 is None else not self.problems

    def summary(self, most: int = 3) -> str:
        """One line; at most `most` problems are named, the rest is counted."""
        if self.lock_sha256 is None:
            return "there is no requirements.lock to compare with"
        if not self.problems:
            return f"as locked ({self.lock_sha256[:8]})"
        named = "; ".join(str(problem) for problem in self.problems[:most])
        more = len(self.problems) - most
        return named + (f"; and {more} more" if more > 0 else "")


def project_root(start: Path) -> Path | None:
    """The nearest folder from `start` upwards with a Kedro project in it."""
    for folder in (start, *start.parents):
        marker = folder / "pyproject.toml"
        if marker.is_file() and "[tool.kedro]" in marker.read_text("utf-8", "replace"):
            return folder
    return None


def find_lock(root: Path | None) -> Path:
    """The lock to compare with: the one named, the project's, else that of this checkout."""
    named = os.environ.get(LOCK_NAMED)
    if named:
        return Path(named)
    own = Path(__file__).resolve().parents[2]
    return next(
        (place / LOCK for place in (root, own) if place and _has_lock(place)),
        (root or own) / LOCK,
    )


def _has_lock(folder: Path) -> bool:
    return (folder / LOCK).is_file()


def compare(
    lock: Path, *, hashes: bool = False, paths: Iterable[str] | None = None
) -> EnvironmentReport:
    """Compare what this interpreter can import with `lock`; never raises for what it finds.

    `hashes=True` also reads every file of every distribution (seconds). `paths` are the folders
    to look in, `sys.path` when None.
    """
    start, found = time.perf_counter(), installed(paths)
    text = Path(lock).read_bytes() if Path(lock).is_file() else None
    wanted = locked(text.decode("utf-8")) if text is not None else {}
    problems = sorted(_differences(wanted, found)) if text is not None else []
    libraries = {name: f for name, f in found.items() if name in wanted or _counts(name)}
    records = None
    if hashes:
        changed, records = _check_files(found, libraries)
        problems = sorted([*problems, *changed])
    lines = "\n".join(sorted(f"{name}=={f.version}" for name, f in libraries.items()))
    return EnvironmentReport(
        lock_sha256=None if text is None else hashlib.sha256(text).hexdigest(),
        distributions_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        problems=tuple(problems),
        seconds=time.perf_counter() - start,
        records_sha256=records,
        libraries={name: entry.version for name, entry in sorted(libraries.items())},
    )


@dataclass(frozen=True)
class Installed:
    """An installed distribution: its version, and its folder of metadata."""

    version: str
    folder: Path


def installed(paths: Iterable[str] | None = None) -> dict[str, Installed]:
    """Distributions by canonical name; of two on the path, the one that Python finds first.

    Two in one folder (what a broken upgrade leaves) have the version "1.0 and 2.0": no lock has.
    """
    found: dict[str, Installed] = {}
    for place in dict.fromkeys(sys.path if paths is None else paths):
        here: dict[str, Installed] = {}
        for match in filter(None, map(FOLDER.match, _names(place or os.curdir))):
            name, version = canonical(match["name"]), match["version"]
            version = f"{here[name].version} and {version}" if name in here else version
            here[name] = Installed(version, Path(place, match[0]))
        found = here | found
    return found


def _names(place: str) -> list[str]:
    """Names in a folder, sorted; none when it is no folder (a zip file on the path)."""
    try:
        return sorted(os.listdir(place))
    except OSError:
        return []


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, str]:
    """Versions by canonical name that a lock asks for on this Python and this platform."""
    return {
        canonical(name): version
        for name, version, marker in ENTRY.findall(text)
        if not marker or _applies(marker.strip())
    }


@functools.cache
def _applies(marker: str) -> bool:
    from packaging.markers import Marker

    return Marker(marker).evaluate()


def _counts(name: str) -> bool:
    return name not in OWN and name not in SEEDS


def _differences(wanted: dict[str, str], found: dict[str, Installed]) -> Iterator[Problem]:
    for name, version in wanted.items():
        there = found[name].version if name in found else None
        if there is None:
            yield Problem(name, "missing", version, None)
        elif not _same_version(version, there):
            yield Problem(name, "version", version, there)
    for name, entry in found.items():
        if name not in wanted and _counts(name):
            yield Problem(name, "extra", None, entry.version)


def _same_version(one: str, other: str) -> bool:
    """Whether two spellings (1.0 and 1.0.0, a local part escaped) are one version."""
    if one == other:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other.replace("_", "+", 1))
    except InvalidVersion:
        return False


def _check_files(
    found: dict[str, Installed], libraries: Iterable[str]
) -> tuple[list[Problem], str]:
    """What differs from the RECORDs, or stands in none; and the digest of the libraries' RECORDs.

    `found` is all that is installed, `libraries` the names in it that are looked at.
    """
    problems, digest = [], hashlib.sha256()
    records = {name: _record(entry.folder) for name, entry in found.items()}
    for name in sorted(libraries):
        entry, rows = found[name], [row for row in records[name] if row[1]]
        wrong = [file for file, hashed in rows if _is_changed(entry.folder.parent / file, hashed)]
        if wrong or not rows:
            problems.append(_changed(name, entry.version, wrong or ["it has no RECORD"]))
        digest.update(f"{name}=={entry.version}\n".encode())
        for file, hashed in sorted(rows):
            if not _is_installers(file):
                digest.update(f"{file} {hashed}\n".encode())
    stray = sorted(_stray(found, records))
    if stray:
        problems.append(Problem(NO_PACKAGE, "extra", None, None, _first(stray)))
    return problems, digest.hexdigest()


def _stray(
    found: dict[str, Installed], records: Mapping[str, list[tuple[str, str]]]
) -> Iterator[str]:
    """Files beside the packages or inside them that no RECORD knows; bytecode left out."""
    claimed: dict[Path, set[str]] = {}
    for name, entry in found.items():
        names = claimed.setdefault(entry.folder.parent, set())
        names.update(os.path.normpath(file) for file, _ in records[name])
        names.add(f"{entry.folder.name}/RECORD")
    for place, names in claimed.items():
        for folder, inner, files in os.walk(place):
            inner[:] = [name for name in inner if name != "__pycache__"]
            inside = os.path.relpath(folder, place)
            paths = (os.path.normpath(os.path.join(inside, file)) for file in files)
            yield from (path for path in paths if path not in names)


def _first(files: Sequence[str]) -> tuple[str, ...]:
    more = len(files) - SHOWN
    return (*files[:SHOWN], *([f"and {more} more"] if more > 0 else []))


def _changed(name: str, version: str, files: list[str]) -> Problem:
    return Problem(name, "changed", version, version, _first(files))


def _record(folder: Path) -> list[tuple[str, str]]:
    """File, and `algorithm=hash` or "", of every row of a RECORD."""
    try:
        with (folder / "RECORD").open(encoding="utf-8", newline="") as file:
            return [(row[0], row[1]) for row in csv.reader(file) if len(row) > 1]
    except OSError:
        return []


def _is_installers(file: str) -> bool:
    """Whether the installer wrote it: a script with a path in it, its own notes, bytecode."""
    inside = Path(file)
    own = inside.parent.name.endswith(".dist-info") and inside.name in NOTES
    return file.startswith("..") or inside.suffix == ".pyc" or own


def _is_changed(path: Path, recorded: str) -> bool:
    """Whether a file is gone, or not what its RECORD says."""
    algorithm, _, text = recorded.partition("=")
    try:
        with path.open("rb") as file:
            there = hashlib.file_digest(file, algorithm).digest()
        return there != base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (OSError, ValueError, binascii.Error):
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what differs from the lock, a line each; the exit status is 1 when something does."""
    parser = argparse.ArgumentParser(prog="python -m sealed_kernel.environment")
    parser.add_argument("lock", nargs="?", type=Path, help="default: the project's")
    parser.add_argument("--hashes", action="store_true", help="hash every installed file too")
    options = parser.parse_args(arguments)
    lock = options.lock or find_lock(project_root(Path.cwd()))
    report = compare(lock, hashes=options.hashes)
    for problem in report.problems:
        print(problem)
    if report.matches:
        print(f"{report.summary()}, {report.seconds:.2f} s")
    elif report.matches is None:
        print(f"No lock at {lock}. Next: name one: python -m sealed_kernel.environment LOCK")
    else:
        print("Next: `make test` builds .venv from requirements.lock.")
    return 0 if report.matches else 1


if __name__ == "__main__":
    sys.exit(main())
