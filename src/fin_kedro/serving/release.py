"""From an approved package to a bento: a folder that serves itself, built alike each time."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fin_kedro
from fin_kedro.governance.package import FILES, MANIFEST, PackageError, read_package
from fin_kedro.serving.bento_files import verified_digest, write_list
from fin_kedro.serving.import_closure import import_closure
from fin_kedro.serving.record import UNRELEASED, checked_release, write_facts

# What every service runs on; what its own modules import comes to it.
ROOTS = ("bentoml", "httptools", "msgspec", "numpy", "onnxruntime", "pydantic", "uvloop")
_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_BUILD = (
    "import sys, bentoml; "
    "print(bentoml.bentos.build_bentofile(sys.argv[1], version=sys.argv[2], build_ctx='.').path)"
)


class ReleaseError(RuntimeError):
    """A bento cannot be built or already exists with other content."""


@dataclass(frozen=True, kw_only=True)
class ReleasedBento:
    """A built bento: its tag in the store ``home``, its folder, size and content hash."""

    tag: str
    path: Path
    home: Path
    size: int
    digest: str

    @property
    def command(self) -> str:
        """What to type, from the current folder, to serve it on 127.0.0.1:3000."""
        home = os.path.relpath(self.home)
        return f"BENTOML_DO_NOT_TRACK=True BENTOML_HOME={home} bentoml serve {self.tag}"


def build_bento(
    *,
    package_dir: Path | str,
    release: Mapping[str, Any],
    service_dir: Path | str,
    output_dir: Path | str,
    lock: Path | str,
    statistics: str | None = None,
) -> ReleasedBento:
    """Build the bento of an approved package and put it into the store at ``output_dir``.

    ``release`` holds workflow, version, digest, approved_by, approved_at (ISO 8601) and
    report_digest; ``service_dir`` is ``bentos/<kind>``; ``lock`` is the project's
    ``requirements.lock``; ``output_dir`` becomes the bento's own BENTOML_HOME; ``statistics``
    ("package.module:name") is what a service of live rows computes. The same inputs give the same
    bytes; building them again returns what is there. Of ``fin_kedro`` the bento holds what
    ``service.py`` and the statistics import, directly or not. Raises `PackageError` when the
    package is not the one of ``release``, `ReleaseError` when the build fails.
    """
    record = checked_release(release, workflow=str(release.get("workflow")), where="release")
    read_package(package_dir, expected_digest=record["digest"])
    name, version = record["workflow"], _bento_version(record)
    home = Path(output_dir)
    target = home / "bentos" / name / version
    if target.exists():
        return _already_there(target, record, home)
    with tempfile.TemporaryDirectory(prefix="fin_kedro_release_") as temporary:
        context = Path(temporary) / "context"
        source = Path(fin_kedro.__file__).parent
        named = [statistics.partition(":")[0]] if statistics else []
        needed = import_closure(Path(service_dir) / "service.py", source, *named)
        requirements = locked_requirements(
            Path(lock).read_text(encoding="utf-8"), roots=(*ROOTS, *needed.distributions)
        )
        _fill_context(context, Path(package_dir), record, Path(service_dir), requirements)
        if statistics:
            write_facts(context, statistics=statistics)
        _copy_modules(source, needed.files, context / source.name)
        built = _run_build(context, version, Path(temporary) / "home")
        _settle(built, record, requirements)
        write_list(built)
        _publish(built, target)
    return _described(target, home)


def locked_requirements(lock: str, *, roots: Iterable[str] = ROOTS) -> str:
    """Return the part of a hashed lock file that ``roots`` need, in its order, with hashes.

    The closure follows the metadata of the installed distributions, with markers evaluated for
    this Python on this system and on Linux (where containers run). Raises `ReleaseError` when
    the lock lacks one of them.
    """
    wanted = requirement_closure(roots)
    blocks = _lock_blocks(lock)
    missing = sorted(wanted - {name for name, _ in blocks})
    if missing:
        raise ReleaseError(
            f"requirements.lock lacks {', '.join(missing)}, which the service needs. "
            "Run `make lock` and install again."
        )
    return "".join(text for name, text in blocks if name in wanted)


def requirement_closure(roots: Iterable[str]) -> set[str]:
    """Return the canonical names of all distributions that ``roots`` need, themselves included."""
    waiting: list[tuple[str, tuple[str, ...]]] = [(canonicalize_name(n), ("",)) for n in roots]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen.add(item)
            waiting += _needed_by(*item)
    return {name for name, _ in seen}


def _needed_by(name: str, extras: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []  # another system's, seen from here by its marker only
    found = [Requirement(line) for line in lines]
    return [
        (canonicalize_name(r.name), ("", *sorted(r.extras)))
        for r in found
        if r.marker is None or any(_applies(r, extra) for extra in extras)
    ]


def _applies(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    assert marker is not None
    return marker.evaluate({"extra": extra}) or marker.evaluate({**_LINUX, "extra": extra})


def _lock_blocks(lock: str) -> list[tuple[str, str]]:
    """Split a lock file into (name, "name==version --hash=...") without comments."""
    lines = [x for x in lock.splitlines(keepends=True) if not x.lstrip().startswith("#")]
    blocks = re.split(r"^(?=[A-Za-z0-9])", "".join(lines), flags=re.MULTILINE)
    return [
        (canonicalize_name(re.split(r"[=\s;\[@]", block, maxsplit=1)[0]), block)
        for block in blocks
        if block.strip()
    ]


def _fill_context(
    context: Path, package: Path, record: Mapping[str, Any], service: Path, requirements: str
) -> None:
    """Put together what the bento holds beside its modules."""
    (context / "package").mkdir(parents=True)
    for name in (*FILES, MANIFEST):
        shutil.copy(package / name, context / "package" / name)
    for name in ("service.py", "bentofile.yaml"):
        shutil.copy(service / name, context / name)
    (context / "release.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    (context / "requirements.txt").write_text(requirements)
    (context / "README.md").write_text(_readme(record))


def _copy_modules(source: Path, files: Iterable[Path], target: Path) -> None:
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, target / file)


def _run_build(context: Path, version: str, home: Path) -> Path:
    """Build in a process and a store of its own, with the project's source out of reach."""
    ours = (
        "BENTOML",
        "PYTHON",
        "FIN_KEDRO_PACKAGE",
        "FIN_KEDRO_STORE",
        "FIN_KEDRO_WORKERS",
        UNRELEASED,
        "FIN_KEDRO_STATISTICS",
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment = {
        **clean,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        UNRELEASED: "true",  # bentoml looks at the service before its files are listed
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", _BUILD, "bentofile.yaml", version],
        cwd=context,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ReleaseError(
            f"bentoml could not build the bento (exit {done.returncode}). Its last words:\n"
            + "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        )
    return Path(done.stdout.splitlines()[-1])


def _settle(bento: Path, record: Mapping[str, Any], requirements: str) -> None:
    """Make the bento a function of its inputs: BentoML stamps the time and edits the lock."""
    import yaml

    info = yaml.safe_load((bento / "bento.yaml").read_text())
    info["creation_time"] = record["approved_at"]
    info["image"]["python_requirements"] = requirements
    (bento / "bento.yaml").write_text(yaml.safe_dump(info, sort_keys=False))
    python = bento / "env" / "python"
    (python / "requirements.txt").write_text(requirements)
    (python / "requirements.in").unlink(missing_ok=True)


def _publish(built: Path, target: Path) -> None:
    """Show the bento complete or not at all, then name it the latest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent.parent.parent))
    try:
        shutil.copytree(built, draft / target.name)
        (draft / target.name).replace(target)
        (draft / "latest").write_text(target.name)
        (draft / "latest").replace(target.parent / "latest")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _already_there(target: Path, record: Mapping[str, Any], home: Path) -> ReleasedBento:
    found = json.loads((target / "src" / "release.json").read_text())
    if found != dict(record):
        differing = sorted(k for k in record if found.get(k) != record[k])
        raise ReleaseError(
            f"{target} was released already with another {', '.join(differing)}. A release never "
            "changes: approve a new version, or remove that folder first."
        )
    return _described(target, home)


def _described(target: Path, home: Path) -> ReleasedBento:
    files = [p for p in target.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return ReleasedBento(
        tag=f"{target.parent.name}:{target.name}",
        path=target,
        home=home,
        size=sum(p.stat().st_size for p in files),
        digest=verified_digest(target),
    )


def _bento_version(record: Mapping[str, Any]) -> str:
    version = f"{record['version']}-{record['digest'][:12]}".lower()
    if not re.fullmatch(r"[a-z0-9]([-._a-z0-9]*[a-z0-9])?", version):
        raise PackageError(
            f"version {record['version']!r} cannot name a bento; use letters, digits, '.', '-' "
            "and '_'."
        )
    return version


def _readme(record: Mapping[str, Any]) -> str:
    return (
        f"# {record['workflow']}, model version {record['version']}\n\n"
        f"Package {record['digest']}, approved by {record['approved_by']} at "
        f"{record['approved_at']} on report {record['report_digest']}.\n"
    )
