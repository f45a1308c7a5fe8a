"""A project's screen knows the values of classified columns of free text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from fin_kedro.reports.screening import personal_values, report_screen
from tests.conftest import ROOT

CONTRACT = ROOT / "conf/base/contracts/credit_applications.odcs.yaml"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A project whose only dataset has clients' names in it."""
    contract = yaml.safe_load(CONTRACT.read_text())
    columns = contract["schema"][0]["properties"]
    name = {"name": "NAME", "logicalType": "string", "classification": "personal"}
    town = {
        "name": "TOWN",
        "logicalType": "string",
        "classification": "personal",
        "enum": [{"value": "Rome"}],
    }
    plain = {"name": "NOTE", "logicalType": "string"}
    contract["schema"][0]["properties"] = [*columns[:2], columns[-1], name, town, plain]
    conf = tmp_path / "conf/base"
    (conf / "contracts").mkdir(parents=True)
    (tmp_path / "conf/local").mkdir()
    (conf / "contracts/clients.odcs.yaml").write_text(yaml.safe_dump(contract))
    entry = {
        "type": "fin_kedro.storage.datasets.TableDataset",
        "filepath": "data/clients.parquet",
        "file_format": "parquet",
        "connection": {"backend": "duckdb", "database": ":memory:"},
        "validator": {"options": {"contract": "conf/base/contracts/clients.odcs.yaml"}},
    }
    (conf / "catalog.yml").write_text(yaml.safe_dump({"clients": entry}))
    return tmp_path


def write(bank: Path) -> None:
    (bank / "data").mkdir()
    names = ["Ada Lovelace", "Bo", None, "Ada Lovelace"]
    table = pd.DataFrame({"ID": range(4), "NAME": names, "TOWN": "Rome", "NOTE": "a note"})
    table.to_parquet(bank / "data/clients.parquet")


def test_values_of_free_text_are_looked_for(bank: Path) -> None:
    write(bank)
    assert personal_values(bank) == {"value of NAME (personal)": {"Ada Lovelace"}}
    screen = report_screen(bank)
    assert screen.kinds("approved: Ada Lovelace, Rome, a note") == {"value of NAME (personal)"}
    assert screen.kinds("approved: Ada L., Rome, a note") == set()


def test_without_data_there_is_nothing_to_look_for(bank: Path) -> None:
    assert personal_values(bank) == {}


def test_codes_and_numbers_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fin_kedro.reports.screening.personal_values", None)
    assert report_screen(ROOT).personal["SEX"] == "protected"


def test_of_an_environment_its_own_contracts_count(bank: Path) -> None:
    write(bank)
    other = yaml.safe_load((bank / "conf/base/contracts/clients.odcs.yaml").read_text())
    for column in other["schema"][0]["properties"]:
        column["classification"] = "personal"  # a data set in which every column is
    own = bank / "conf/own"
    (own / "contracts").mkdir(parents=True)
    (own / "contracts/clients.odcs.yaml").write_text(yaml.safe_dump(other))
    assert "NOTE" in report_screen(bank).personal  # no environment: any of them may be meant
    base = report_screen(bank, "base")
    assert "NOTE" not in base.personal and base.personal["NAME"] == "personal"
    assert base.kinds("approved: Ada Lovelace") == {"value of NAME (personal)"}
    entry = yaml.safe_load((bank / "conf/base/catalog.yml").read_text())["clients"]
    entry["validator"]["options"]["contract"] = "conf/own/contracts/clients.odcs.yaml"
    (own / "catalog.yml").write_text(yaml.safe_dump({"clients": entry}))
    assert report_screen(bank, "own").personal["NOTE"] == "personal"
