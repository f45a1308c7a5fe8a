"""Configuration: paths of the project, and environments that state only what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.project.config import project_config
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "base/parameters_x.yml": "x: {depth: 6, search: {trials: 0, folds: 3}}",
        "base/parameters_y.yml": "here: ${project:a/b}",
        "base/policy.yml": "gates: {AUC: {min: .7, gate: true}, KS: {min: .3}}",
        "base/mlflow.yml": "uri: sqlite:///${project:data/mlflow.db}",
        "base/catalog.yml": "a: {type: json.JSONDataset, filepath: a.json}",
        "ci/parameters_x.yml": "x: {search: {trials: 2}}",
        "ci/policy.yml": "gates: {AUC: {min: .5}}",
    }
    for name, text in files.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "conf/local").mkdir()
    return tmp_path


def test_project_paths_are_absolute_wherever_one_stands(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    conf = project_config(project)
    assert conf["parameters"]["here"] == (project / "a/b").as_posix()
    assert conf["mlflow"]["uri"] == f"sqlite:///{project.as_posix()}/data/mlflow.db"


def test_two_projects_are_read_in_turns(project: Path) -> None:
    first, second = project_config(project), project_config(ROOT)
    assert first["parameters"]["here"] == (project / "a/b").as_posix()
    assert second["mlflow"]["server"]["mlflow_tracking_uri"].startswith(f"sqlite:///{ROOT}")


def test_two_environments_are_read_in_turns(project: Path) -> None:
    (project / "conf/base/globals.yml").write_text("data: data")
    (project / "conf/ci/globals.yml").write_text("data: quick")
    (project / "conf/base/parameters_z.yml").write_text("z: ${globals:data}")
    base, quick = project_config(project), project_config(project, env="ci")
    read = [conf["parameters"]["z"] for conf in (base, quick, base)]
    assert read == ["data", "quick", "data"]


def test_an_environment_changes_single_knobs(project: Path) -> None:
    conf = project_config(project, env="ci")
    assert conf["parameters"]["x"] == {"depth": 6, "search": {"trials": 2, "folds": 3}}
    assert conf["policy"]["gates"] == {"AUC": {"min": 0.5, "gate": True}, "KS": {"min": 0.3}}


def test_without_an_environment_base_holds(project: Path) -> None:
    assert project_config(project)["parameters"]["x"]["search"]["trials"] == 0


def test_policy_is_among_the_parameters(project: Path) -> None:
    assert project_config(project)["parameters"]["gates"]["KS"] == {"min": 0.3}


def test_the_quick_environment_differs_in_size_only() -> None:
    base, quick = (project_config(ROOT, env=env)["parameters"] for env in (None, "ci"))
    assert base.keys() == quick.keys() and base["credit"].keys() == quick["credit"].keys()
    changed = {k for k in base["credit"] if base["credit"][k] != quick["credit"][k]}
    assert changed == {"champion", "bootstrap", "report"}
    assert base["gates"] == quick["gates"]
