"""`kedro workflow new`: what it writes is read as it stands, and what cannot be is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.drafting.new import New, write_new
from fin_kedro.drafting.placing import place_conf
from fin_kedro.project.config import project_config
from tests.conftest import ROOT
from tests.drafting.shapes import tiny


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Conf alone."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    return folder


def conf(project: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in (project / "conf").rglob("*") if p.is_file()}


def new(project: Path, name: str, kind: str = "static", env: str = "bank", **given: object) -> New:
    return write_new(project, name, kind, env, **given)  # type: ignore[arg-type]


def test_workflows_of_both_kinds_stand_in_one_environment(project: Path) -> None:
    """Every section is checked by its schema when it is read."""
    new(project, "mortgage")
    kept = project / "conf/bank/workflows.yml"
    kept.write_text(kept.read_text("utf-8") + "# a remark of ours\n", "utf-8")
    new(project, "cards", "event_time")
    config = project_config(project, "bank")
    assert [(w.name, w.kind) for w in config.workflows] == [
        ("mortgage", "static"), ("cards", "event_time"),
    ]  # fmt: skip
    assert config["parameters"]["mortgage"]["decision"]["costs"]["approve_bad"] == -5.0
    assert config["parameters"]["cards"]["detection"]["k"] == 100
    gates = config["policy"]["workflows"]
    assert gates["mortgage"]["gates"]["DIS-AUC"]["limits"]["low_min"] == 0.5
    assert gates["cards"]["replay"]["fewest_rows"] == 4000
    assert "# a remark of ours" in kept.read_text("utf-8"), "comments stay"
    assert {"mortgage.applications", "cards.transactions", "cards.labels"} <= set(config["catalog"])


def test_a_setting_in_two_files_of_a_policy_is_refused(project: Path) -> None:
    new(project, "mortgage")
    again = {"workflows": {"mortgage": {"gates": {"DIS-AUC": {"limits": {"min": 0.1}}}}}}
    (project / "conf/bank/policy_again.yml").write_text(yaml.safe_dump(again))
    with pytest.raises(ValueError, match=r"Duplicate keys found in .*workflows\.mortgage\.gates"):
        project_config(project, "bank")["policy"]


def test_the_skeleton_is_a_contract_with_a_column_of_each_kind(project: Path) -> None:
    written = new(project, "mortgage")
    contract = read_contract(project / "conf/bank/contracts/mortgage.odcs.yaml")
    assert {c.role for c in contract.columns.values()} == {"id", "feature", "protected", "target"}
    assert (contract.event, len(contract.columns)) == ("bad", 7)
    text = "".join((project / file).read_text("utf-8") for file in written.files)
    assert text.count("# QUESTION:") == written.questions == 5
    assert written.raw == {"data/01_raw/mortgage.csv": False}


def test_a_contract_and_a_file_of_the_project_are_named_where_they_lie(project: Path) -> None:
    raw = project / "data/01_raw/loans.parquet"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(b"")
    contract = project / "conf/base/contracts/credit_applications.odcs.yaml"
    written = new(project, "cars", contracts=[contract], files=[raw])
    table = yaml.safe_load((project / "conf/bank/workflows.yml").read_text())["cars"][
        "applications"
    ]
    assert table == {
        "contract": "conf/base/contracts/credit_applications.odcs.yaml",
        "filepath": "data/01_raw/loans.parquet",
        "file_format": "parquet",
    }
    assert written.raw == {"data/01_raw/loans.parquet": True}
    assert not (project / "conf/bank/contracts").exists()


def test_a_contract_from_elsewhere_is_taken_in(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.odcs.yaml"
    shutil.copy2(ROOT / "docs/examples/own_data/loan_requests.odcs.yaml", other)
    new(project, "cars", contracts=[other])
    taken = project / "conf/bank/contracts/other.odcs.yaml"
    assert taken.read_bytes() == other.read_bytes()


def test_a_file_without_a_contract_is_drafted_beside_what_is_there(
    project: Path, tmp_path: Path
) -> None:
    new(project, "mortgage")
    before = (project / "conf/bank/workflows.yml").read_text("utf-8")
    written = new(project, "radios", files=[tiny(tmp_path)])
    assert (project / "conf/bank/workflows.yml").read_text("utf-8").startswith(before)
    assert "conf/bank/policy_radios.yml" in written.files
    assert "conf/bank/globals.yml" not in written.files, "it was there"
    config = project_config(project, "bank")
    assert [w.name for w in config.workflows] == ["mortgage", "radios"]
    assert (
        config["policy"]["workflows"]["radios"]["gates"]["DIS-KS"]["limits"]["attention_min"] == 0.2
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Car-Loans 2", r"which is no name; .* Try car_loans_2\."),
        ("2cars", r"Try loans_2cars\."),
        ("credit", r"which the project has\. Try credit_2\."),
        ("mortgage", r"which the project has\. Try mortgage_2\."),
        ("class", r"a word of conf or of Python\. Try class_2\."),
        ("static", r"a word of conf or of Python\. Try static_2\."),
        ("car_training", r"ends as a pipeline does \(_training\)\. Try car\."),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(
    project: Path, name: str, said: str
) -> None:
    new(project, "mortgage")
    before = conf(project)
    with pytest.raises(ContractError, match=said):
        new(project, name)
    assert conf(project) == before
    free = said.split("Try ")[1].replace("\\.", "")
    assert new(project, free).files


def test_what_cannot_be_is_refused_and_nothing_is_written(project: Path, tmp_path: Path) -> None:
    new(project, "mortgage")
    kept = project / "conf/bank/parameters_cars.yml"
    kept.write_text("cars: {}\n")
    outside = tmp_path / "cars.csv"
    outside.write_text("a\n1\n")
    contract = project / "conf/base/contracts/credit_applications.odcs.yaml"
    before = conf(project)
    for asked, said in (
        ({"name": "vans", "env": "base"}, "not for workflows of your own"),
        ({"name": "vans", "env": "My Env"}, "a name has small letters"),
        ({"name": "cars"}, "conf/bank/parameters_cars.yml is there already"),
        ({"name": "vans", "contracts": [tmp_path / "no"]}, "no contract at"),
        ({"name": "vans", "contracts": [outside]}, "cars.csv"),
        ({"name": "vans", "contracts": [contract], "files": [outside]}, "lies outside the project"),
        ({"name": "vans", "files": [tmp_path / "no.csv"]}, "no file at"),
        ({"name": "vans", "kind": "event_time", "files": [outside]}, "once for each"),
    ):
        with pytest.raises(ContractError, match=said):
            new(project, **asked)  # type: ignore[arg-type]
        assert conf(project) == before


def test_a_file_that_cannot_be_written_leaves_none(project: Path) -> None:
    (project / "conf/bank").mkdir()
    (project / "conf/bank/second").write_text("a file where a folder would be")
    before = conf(project)
    with pytest.raises(OSError):  # noqa: PT011
        place_conf(
            project, "bank", {"first.yml": "a: 1", "second/x.yml": "b", "workflows.yml": "c"}
        )
    assert conf(project) == before
