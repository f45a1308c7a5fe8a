"""The evidence of a run: by version, unwrapped from MLflow, with errors one can act on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fin_kedro.project.config import project_config
from fin_kedro.project.evidence import (
    content_hashes,
    load_json,
    load_table,
    open_catalog,
    open_policy,
)
from tests.reports.evidence_factory import VERSION, make_evidence, make_project, write_evidence

LATER = "2026-02-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("project"), rows=1000)
    evidence = make_evidence(rows=1000)
    evidence["records"]["decision_policy"]["threshold"] = 0.4
    write_evidence(folder, workflow="credit", version=LATER, **evidence)
    return folder


def test_latest_version_is_the_default(project: Path) -> None:
    catalog = open_catalog(project_path=project)
    assert load_json(catalog, "credit.decision_policy")["threshold"] == 0.4


def test_a_version_can_be_asked_for(project: Path) -> None:
    catalog = open_catalog(project_path=project, versions={"credit.decision_policy": VERSION})
    assert load_json(catalog, "credit.decision_policy")["threshold"] == 0.25


def test_an_empty_version_means_the_latest(project: Path) -> None:
    catalog = open_catalog(project_path=project, versions={"credit.decision_policy": ""})
    assert load_json(catalog, "credit.decision_policy")["threshold"] == 0.4


def test_wrapped_dataset_keeps_its_versions(project: Path) -> None:
    catalog = open_catalog(project_path=project, versions={"credit.parity": VERSION})
    assert set(load_json(catalog, "credit.parity")) == {"champion", "scorecard"}
    assert type(catalog.get("credit.parity")).__name__ == "JSONDataset"


def test_a_validator_is_not_needed_to_read(project: Path) -> None:
    assert "champion_probability" in load_table(open_catalog(project_path=project), "credit.scores")


def test_relative_paths_are_the_projects(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(load_table(open_catalog(project_path=project), "credit.model_table")) == 1000


def test_unknown_dataset_in_versions(project: Path) -> None:
    with pytest.raises(ValueError, match=r"credit\.scoers.*It holds.*credit\.scores"):
        open_catalog(project_path=project, versions={"credit.scoers": VERSION})


def test_version_of_an_unversioned_dataset(tmp_path: Path) -> None:
    base = tmp_path / "conf" / "base"
    base.mkdir(parents=True)
    (tmp_path / "conf" / "local").mkdir()
    (base / "catalog.yml").write_text("a: {type: json.JSONDataset, filepath: a.json}")
    with pytest.raises(ValueError, match="'a', which is not versioned"):
        open_catalog(project_path=tmp_path, versions={"a": VERSION})


def test_dataset_pattern_serves_a_workflow(project: Path, tmp_path: Path) -> None:
    base = tmp_path / "conf" / "base"
    base.mkdir(parents=True)
    (tmp_path / "conf" / "local").mkdir()
    path = (project / "data" / "{workflow}" / "parity.json").as_posix()
    (base / "catalog.yml").write_text(
        '"{workflow}.parity":\n'
        "  type: kedro_mlflow.io.artifacts.MlflowArtifactDataset\n"
        f'  dataset: {{type: json.JSONDataset, filepath: "{path}", versioned: true}}\n'
    )
    catalog = open_catalog(project_path=tmp_path, versions={"credit.parity": VERSION})
    assert load_json(catalog, "credit.parity")["champion"]["rows"] == 400


def test_unknown_environment_names_the_others(project: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'prod'.*\['base', 'local'\]"):
        open_catalog(project_path=project, env="prod")


def test_missing_policy(tmp_path: Path) -> None:
    for name in ("base", "local"):
        (tmp_path / "conf" / name).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"add policy\.yml"):
        open_policy(project_path=tmp_path)


def test_policy_is_read_with_its_environment(project: Path) -> None:
    assert open_policy(project_path=project)["gates"]["FAI-AIR"]["limits"]["min"] == 0.8


def test_a_catalog_is_that_of_the_conf_which_is_open(project: Path) -> None:
    (project / "conf/other").mkdir()
    (project / "conf/other/catalog.yml").write_text("mine: {type: json.JSONDataset, filepath: m}")
    catalog = open_catalog(project_path=project, loader=project_config(project, "other"))
    assert "mine" in catalog
    assert "mine" not in open_catalog(project_path=project)


def test_policy_is_read_as_it_binds_a_workflow(project: Path) -> None:
    common, fraud = (open_policy(project_path=project, workflow=w) for w in (None, "fraud"))
    credit = open_policy(project_path=project, workflow="credit")
    assert credit["validation"].pop("group_edges") == {"AGE": [25, 35, 45, 60]}
    assert common["validation"].pop("group_edges") == {} and common == credit
    assert "workflows" not in common and "DET-AP" not in common["gates"]
    assert fraud["gates"]["DET-AP"]["gate"] and fraud["quarantine"] == common["quarantine"]


@pytest.mark.parametrize("workflow", [None, "credit", "fraud"])
def test_every_gate_of_the_policy_is_complete(project: Path, workflow: str | None) -> None:
    for code, gate in open_policy(project_path=project, workflow=workflow)["gates"].items():
        assert set(gate) == {"title", "limits", "gate", "reason"}, code
        assert gate["reason"].endswith("."), code


def test_content_hash_follows_the_content_not_the_version(project: Path) -> None:
    names = ["credit.scores", "credit.decision_policy"]
    early = content_hashes(
        open_catalog(project_path=project, versions=dict.fromkeys(names, VERSION)), names
    )
    late = content_hashes(open_catalog(project_path=project), names)
    assert early["credit.scores"] == late["credit.scores"]
    assert early["credit.decision_policy"] != late["credit.decision_policy"]


def test_an_ibis_table_becomes_a_frame() -> None:
    class Catalog:
        def load(self, name: str) -> object:
            import ibis

            return ibis.memtable(pd.DataFrame({name: [1]}))

    assert load_table(Catalog(), "a").equals(pd.DataFrame({"a": [1]}))  # type: ignore[arg-type]


def test_reading_evidence_imports_no_mlflow(project: Path) -> None:
    code = (
        "import sys; from fin_kedro.project.evidence import load_json, open_catalog; "
        f"load_json(open_catalog(project_path={str(project)!r}), 'credit.parity'); "
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
