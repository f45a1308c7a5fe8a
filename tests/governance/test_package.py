"""The package: written whole, read only as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.governance import package as package_module
from fin_kedro.governance.package import (
    FILES,
    MANIFEST,
    PackageError,
    package_digest,
    read_package,
    write_package,
)
from tests.serving.tiny_package import golden_rows, tiny_contract, tiny_graph, write_tiny


def test_what_was_written_is_read(tmp_path: Path) -> None:
    digest = write_tiny(tmp_path / "p")
    found = read_package(tmp_path / "p", expected_digest=digest)
    assert found.digest == digest == package_digest(tmp_path / "p")
    assert (found.workflow, found.model) == ("credit", tiny_graph())
    assert found.contract.to_dict() == tiny_contract().to_dict()
    assert list(found.golden) == golden_rows()


def test_the_same_content_has_the_same_digest_anywhere(tmp_path: Path) -> None:
    assert write_tiny(tmp_path / "a") == write_tiny(tmp_path / "deep" / "er" / "b")


def test_the_digest_is_the_documented_one(tmp_path: Path) -> None:
    import hashlib

    digest = write_tiny(tmp_path / "p")
    lines = [
        f"{name} {hashlib.sha256((tmp_path / 'p' / name).read_bytes()).hexdigest()}\n"
        for name in sorted(FILES)
    ]
    assert digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_writing_again_is_allowed_only_with_the_same_content(tmp_path: Path) -> None:
    assert write_tiny(tmp_path / "p") == write_tiny(tmp_path / "p")
    with pytest.raises(PackageError, match=r"already holds another package.*write to a new folder"):
        write_tiny(tmp_path / "p", decision={"threshold": 0.9})


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(tmp_path: Path, name: str) -> None:
    write_tiny(tmp_path / "p")
    file = tmp_path / "p" / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(PackageError, match=rf"{name} was changed.*expected sha256.*found"):
        read_package(tmp_path / "p")


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_tiny(tmp_path / "p")
    (tmp_path / "p" / name).unlink()
    with pytest.raises(PackageError, match=rf"cannot read {name}.*Restore"):
        read_package(tmp_path / "p")


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"workflow": "credit", "files": [], "digest": ""}']
)
def test_a_broken_manifest_is_an_error_of_its_own(tmp_path: Path, manifest: str) -> None:
    write_tiny(tmp_path / "p")
    (tmp_path / "p" / MANIFEST).write_text(manifest)
    with pytest.raises(PackageError, match=MANIFEST):
        read_package(tmp_path / "p")


def test_a_forged_manifest_still_fails_the_approved_digest(tmp_path: Path) -> None:
    approved = write_tiny(tmp_path / "approved")
    write_tiny(tmp_path / "other", decision={"threshold": 0.9})
    manifest = json.loads((tmp_path / "other" / MANIFEST).read_text())
    (tmp_path / "other" / MANIFEST).write_text(json.dumps({**manifest, "digest": approved}))
    with pytest.raises(PackageError, match="its files give"):
        read_package(tmp_path / "other", expected_digest=approved)


def test_another_digest_than_the_approved_one(tmp_path: Path) -> None:
    digest = write_tiny(tmp_path / "p")
    with pytest.raises(PackageError, match=rf"expected digest {'0' * 64}, found {digest}"):
        read_package(tmp_path / "p", expected_digest="0" * 64)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="the folder does not exist"):
        read_package(tmp_path / "nowhere")


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def power_cut(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(package_module.os, "fsync", power_cut)
    with pytest.raises(KeyboardInterrupt):
        write_tiny(tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_content_that_json_cannot_carry_is_refused(tmp_path: Path, value: Any) -> None:
    golden = [{"application": {"income": value}, "probability": 0.5}]
    with pytest.raises(PackageError, match=r"golden\.json cannot be written as JSON"):
        write_package(
            tmp_path / "p",
            workflow="credit",
            model=b"",
            contract=tiny_contract(),
            decision={"threshold": 0.5},
            golden=golden,
        )
    assert list(tmp_path.iterdir()) == []
