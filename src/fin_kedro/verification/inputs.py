"""Raw inputs of a sealed run, put into a scratch checkout at their recorded path, by content.

What a run read and did not make is looked for at its recorded path first, then among other
versions of the same dataset, then where else the caller says. Only content counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.storage.canonical import inside

RAW = "data/01_raw"
AS_SEALED, ELSEWHERE, ALTERED, MISSING = "as sealed", "elsewhere", "altered", "missing"


class InputError(RuntimeError):
    """A raw input of the sealed run is not to be had; the message names it and says why."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One raw input: its dataset, content hash and recorded place (from the seal's occasion)."""

    name: str
    content: str
    path: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where an input was found: `as sealed`, `elsewhere`, `altered` (other content) or `missing`.

    `path` is where its file lies in the checkout; `source` where it was taken from.
    """

    name: str
    state: str
    path: Path
    source: Path | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.state}" + (f" ({self.source})" if self.source else "")


def raw_inputs(
    content: Mapping[str, Any],
    places: Mapping[str, Mapping[str, Any]],
    names: Sequence[str] | None = None,
) -> list[Input]:
    """What a run read and did not make, with its place (path, version); only `names` if given.

    Raises InputError for a path that leads out of the project; an absolute one is only read.
    """
    wanted = dict(content["data"]["read"])
    if names is not None:
        hashes = {n: h for e in content["steps"].values() for n, h in e["read"].items()}
        wanted = {name: hashes[name] for name in names}
    return [
        Input(
            name=name,
            content=digest,
            path=_plain(name, places[name]["path"]),
            version=places[name].get("version"),
        )
        for name, digest in wanted.items()
        if places.get(name, {}).get("path")
    ]


def _plain(name: str, path: str) -> str:
    if Path(path).is_absolute() or inside(Path(), path, links=True):
        return path
    raise InputError(_leads_out(name, path))


def _leads_out(name: str, path: str) -> str:
    return (
        f"the seal says that {name} lies at {path}, which leads out of the project; a run records "
        "no such path, so the seal was edited. Take the copy in MLflow (artifact seal.json)."
    )


def find_input(
    wanted: Input, roots: Sequence[Path], *, hash_of: Callable[[str, Path], str]
) -> Path | None:
    """The file that has the sealed content: recorded path, then other versions; root by root."""
    for root in roots:
        for path in _candidates(root / wanted.path, wanted.version):
            if is_sealed(path, wanted, hash_of=hash_of):
                return path
    return None


def is_sealed(path: Path, wanted: Input, *, hash_of: Callable[[str, Path], str]) -> bool:
    """Whether a file holds the sealed content. The seal's digest covers `content`, so it counts."""
    return hash_of(wanted.name, path) == wanted.content


def _candidates(recorded: Path, version: str | None) -> Iterator[Path]:
    if recorded.exists():
        yield recorded
    if version:
        base = recorded.parents[1]
        for path in sorted(base.glob(f"*/{recorded.name}"), reverse=True):
            if path != recorded:
                yield path


def latest(wanted: Input, root: Path) -> Path | None:
    """Today's file of the dataset: the newest version, or the file itself."""
    recorded = root / wanted.path
    if not wanted.version:
        return recorded if recorded.exists() else None
    versions = recorded.parents[1].glob(f"*/{recorded.name}")
    return max((p for p in versions if not p.parent.name.startswith(".")), default=None)


def place_inputs(
    inputs: Sequence[Input],
    target: Path,
    roots: Sequence[Path],
    *,
    hash_of: Callable[[str, Path], str],
    today: Path | None = None,
) -> list[Placed]:
    """Put raw inputs into the checkout `target`; what is found altered is put in as it is.

    Args:
        inputs: see `raw_inputs`.
        target: the scratch checkout.
        roots: projects to look in, the user's first.
        hash_of: content hash of a dataset's file.
        today: take today's data of this project instead of the sealed content.

    Raises InputError naming every input that is neither there nor anything in its place.
    """
    placed = [_place(wanted, target, roots, hash_of, today) for wanted in inputs]
    missing = {entry.name for entry in placed if entry.state == MISSING}
    if missing:
        names = ", ".join(f"{one.name} ({one.path})" for one in inputs if one.name in missing)
        raise InputError(
            f"raw inputs of the run are gone: {names}. Put them back; any version with the sealed "
            "content will do."
        )
    return placed


def bring_raw(project: Path, target: Path) -> None:
    """Copy raw files that a checkout lacks: notebooks may read them beside the catalog."""
    for source in sorted((project / RAW).rglob("*")):
        own = target / source.relative_to(project)
        if source.is_file() and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, own)


def _place(
    wanted: Input,
    target: Path,
    roots: Sequence[Path],
    hash_of: Callable[[str, Path], str],
    today: Path | None,
) -> Placed:
    recorded = Path(wanted.path)
    own = recorded if recorded.is_absolute() else inside(target, wanted.path)
    if own is None:  # by a link in the checkout
        raise InputError(_leads_out(wanted.name, wanted.path))
    found = None if today else find_input(wanted, [*roots, target], hash_of=hash_of)
    if recorded.is_absolute() and found != own:
        found = None  # a run reads it where it lies; nothing of the user's is written
    if found is None:
        found = latest(wanted, today) if today else _anything(wanted, [*roots, target])
        state = ALTERED if found and not is_sealed(found, wanted, hash_of=hash_of) else AS_SEALED
        if found is None:
            return Placed(name=wanted.name, state=MISSING, path=own)
    else:
        same_place = found in [root / recorded for root in [*roots, target]]
        state = AS_SEALED if same_place else ELSEWHERE
    if own != found and not recorded.is_absolute():
        _copy(found, own, versioned=bool(wanted.version))
    return Placed(name=wanted.name, state=state, path=own, source=found)


def _anything(wanted: Input, roots: Sequence[Path]) -> Path | None:
    """What lies at the recorded path now, else the newest version; it is not what was sealed."""
    for root in roots:
        if (root / wanted.path).exists():
            return root / wanted.path
    return next((path for root in roots if (path := latest(wanted, root))), None)


def _copy(source: Path, own: Path, *, versioned: bool) -> None:
    """Copy a file or a folder; of a version, what lies beside it too (registered.json)."""
    if versioned and source.parent.is_dir():
        beside = [p for p in source.parent.iterdir() if p != source and p.is_file()]
        for path in beside if source.is_dir() else []:
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, own.parent / path.name)
    own.parent.mkdir(parents=True, exist_ok=True)
    if own.is_dir():
        shutil.rmtree(own)
    if source.is_dir():
        shutil.copytree(source, own)
    else:
        shutil.copyfile(source, own)
