"""The package: the folder of JSON and ONNX that is registered, approved and released."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.contracts import Contract

MODEL, CONTRACT, DECISION, GOLDEN = "model.onnx", "contract.json", "decision.json", "golden.json"
FILES = (CONTRACT, DECISION, GOLDEN, MODEL)
MANIFEST = "package.json"


class PackageError(ValueError):
    """A package is missing, incomplete, or not what was approved."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A verified package. ``model`` holds the very bytes that were hashed."""

    folder: Path
    workflow: str
    digest: str
    model: bytes
    contract: Contract
    decision: Mapping[str, Any]
    golden: Sequence[Mapping[str, Any]]


def package_digest(folder: Path | str) -> str:
    """Return the sha256 (hex) that names the four content files of a package.

    It is the hash over the sorted lines ``"<name> <sha256>\\n"``, recomputed from the files;
    what ``package.json`` claims plays no part. Raises `PackageError` when a file is missing.
    """
    folder = Path(folder)
    return _digest({name: _sha256(_read(folder, name)) for name in FILES})


def write_package(
    folder: Path | str,
    *,
    workflow: str,
    model: bytes,
    contract: Contract | Mapping[str, Any],
    decision: Mapping[str, Any],
    golden: Sequence[Mapping[str, Any]],
) -> str:
    """Write a package in one step and return its digest.

    ``golden`` is a list of ``{"application": {column: value}, "probability": p}``. The folder
    appears complete or not at all. Writing the same content again does nothing; other content
    under the same name raises `PackageError`, because a package never changes.
    """
    folder = Path(folder)
    meaning = contract.to_dict() if isinstance(contract, Contract) else contract
    content = {
        MODEL: model,
        CONTRACT: _json(meaning, CONTRACT),
        DECISION: _json(decision, DECISION),
        GOLDEN: _json(golden, GOLDEN),
    }
    hashes = {name: _sha256(content[name]) for name in FILES}
    digest = _digest(hashes)
    if folder.is_dir() and any(folder.iterdir()):
        return _same_or_raise(folder, digest)
    manifest = {"workflow": workflow, "files": hashes, "digest": digest}
    _write_at_once(folder, {**content, MANIFEST: _json(manifest, MANIFEST)})
    return digest


def read_package(folder: Path | str, *, expected_digest: str | None = None) -> Package:
    """Read a package, verifying the hash of every file, the digest and, if given, its approval.

    Raises `PackageError` naming the file, what was expected, what was found and the next step.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PackageError(
            f"no package at {folder}: the folder does not exist. "
            "Train and register a model first, or correct the path."
        )
    manifest = _parsed(_read(folder, MANIFEST), MANIFEST, folder)
    content = {name: _read(folder, name) for name in FILES}
    hashes = {name: _sha256(content[name]) for name in FILES}
    _check_manifest(folder, manifest, hashes)
    digest = _digest(hashes)
    if expected_digest is not None and digest != expected_digest:
        raise PackageError(
            f"package at {folder} is not the approved one: expected digest {expected_digest}, "
            f"found {digest}. Release the approved version again, or approve this one first."
        )
    return Package(
        folder=folder,
        workflow=manifest["workflow"],
        digest=digest,
        model=content[MODEL],
        contract=_contract(content[CONTRACT], folder),
        decision=_parsed(content[DECISION], DECISION, folder),
        golden=_parsed(content[GOLDEN], GOLDEN, folder),
    )


def _check_manifest(folder: Path, manifest: Any, hashes: Mapping[str, str]) -> None:
    keys = {"workflow", "files", "digest"}
    if not isinstance(manifest, dict) or not (
        keys <= set(manifest) and isinstance(manifest["files"], dict)
    ):
        raise PackageError(
            f"{folder / MANIFEST} is not a package manifest: expected the keys workflow, files, "
            "digest. Write the package again with write_package."
        )
    for name in FILES:
        expected = manifest["files"].get(name, "no entry")
        if hashes[name] != expected:
            raise PackageError(
                f"{folder / name} was changed after the package was written: expected sha256 "
                f"{expected}, found {hashes[name]}. Restore the file from the registered version."
            )
    if manifest["digest"] != _digest(hashes):
        raise PackageError(
            f"{folder / MANIFEST} states digest {manifest['digest']}, its files give "
            f"{_digest(hashes)}. Restore the package from the registered version."
        )


def _same_or_raise(folder: Path, digest: str) -> str:
    found = read_package(folder).digest
    if found != digest:
        raise PackageError(
            f"{folder} already holds another package: digest {found}, to be written {digest}. "
            "A package never changes: write to a new folder."
        )
    return digest


def _write_at_once(folder: Path, content: Mapping[str, bytes]) -> None:
    """Fill a folder beside the final one and rename it: a crash leaves nothing under the name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in content.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.chmod(0o755)
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise PackageError(
            f"package at {folder}: cannot read {name} ({error.strerror}); expected the files "
            f"{', '.join((*FILES, MANIFEST))}. Restore the package from the registered version."
        ) from None


def _parsed(data: bytes, name: str, folder: Path) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise PackageError(
            f"{folder / name} is not JSON: {error}. Write the package again with write_package."
        ) from None


def _contract(data: bytes, folder: Path) -> Contract:
    try:
        return Contract.from_dict(_parsed(data, CONTRACT, folder))
    except (KeyError, TypeError) as error:
        raise PackageError(
            f"{folder / CONTRACT} does not hold a contract of this version: {error!r}. "
            "Write the package again with write_package."
        ) from None


def _json(content: Any, name: str) -> bytes:
    try:
        text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PackageError(
            f"{name} cannot be written as JSON: {error}. Use plain values, null for missing."
        ) from None
    return (text + "\n").encode()


def _digest(hashes: Mapping[str, str]) -> str:
    return _sha256("".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
