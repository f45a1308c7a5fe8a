"""A composed contract comes back as it was, under a version."""

from __future__ import annotations

from pathlib import Path

from kedro.io import Version

from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.stored import ContractRecordDataset
from tests.conftest import ROOT

CONTRACT = read_contract(ROOT / "conf/base/contracts/credit_applications.odcs.yaml")


def dataset(path: Path, version: str) -> ContractRecordDataset:
    return ContractRecordDataset(
        filepath=str(path / "contract.json"), version=Version(version, version)
    )


def test_a_contract_comes_back_whole(tmp_path: Path) -> None:
    kept = dataset(tmp_path, "one")
    kept.save(CONTRACT)
    assert kept.load() == CONTRACT and kept.load().digest == CONTRACT.digest


def test_equal_contracts_are_equal_bytes(tmp_path: Path) -> None:
    for version in ("one", "two"):
        dataset(tmp_path, version).save(CONTRACT)
    one, two = sorted(tmp_path.rglob("contract.json/*/contract.json"))
    assert one.read_bytes() == two.read_bytes()


def test_the_preview_lists_the_columns(tmp_path: Path) -> None:
    kept = dataset(tmp_path, "one")
    kept.save(CONTRACT)
    assert [row[0] for row in kept.preview()["data"]] == list(CONTRACT.columns)
