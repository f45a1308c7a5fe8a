"""Conf that is written once for every workflow of a kind: catalog, parameters, policy, MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.project.config import ProjectConfigLoader, project_config
from fin_kedro.project.policy import policy_of
from fin_kedro.project.templates import with_defaults
from fin_kedro.project.workflows import WorkflowError

FILES = {
    "base/globals.yml": "data: data",
    "base/workflows.yml": """
        loans: {kind: static, words: {row: loan}, applications: {contract: a, filepath: b.csv}}
        wires:
          kind: event_time
          transactions: {contract: t, filepath: t.parquet, versioned: true}
          labels: {contract: l, filepath: l.csv}
          statistics: a.b:c
          features: a.b:d
    """,
    "base/catalog.yml": """
        "{static}.rows":
          type: x
          filepath: "{static.applications.filepath}"
          versioned: "{static.applications.versioned}"
          load_args: "{static.applications.load_args}"
          contract: ${project:'{static.applications.contract}'}
          limit: null
        "{event_time}.rows": {type: x, name: "of {event_time}, {event_time.kind}"}
        "{workflow}.model": {type: x, filepath: "{workflow}/model"}
    """,
    "base/parameters.yml": """
        "{workflow}":
          words: "{workflow.words}"
          depth: 6
          of: "{workflow}"
          kept: {evidence: "{workflow.evidence}", list: ["{workflow}", 1]}
    """,
    "base/parameters_static.yml": '"{static}": {depth: 4, salt: "{static}", cut: {a: 1, b: 2}}',
    "base/parameters_loans.yml": "loans: {depth: 5, cut: {b: 3}, none: null}",
    "base/policy.yml": """
        gates: {AUC: {min: .7}}
        workflows: {"{event_time}": {gates: {AUC: {min: .8}, AP: {min: .5}}}}
    """,
    "base/mlflow.yml": "pipelines: ${pipelines:release}",
    "own/catalog.yml": '"loans.rows": {type: mine}',
    "own/parameters.yml": '{"{static}": {depth: 3, salt: pepper}, loans: {cut: {a: 7}}}',
    "own/policy.yml": "workflows: {wires: {gates: {AUC: {min: .9}, AP: null}}}",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "conf/local").mkdir()
    return tmp_path


def test_entries_are_written_out_for_each_workflow_of_a_kind(project: Path) -> None:
    catalog = project_config(project)["catalog"]
    assert catalog == {
        "loans.rows": {
            "type": "x", "filepath": "b.csv", "versioned": False, "limit": None,
            "contract": (project / "a").as_posix(),
        },
        "wires.rows": {"type": "x", "name": "of wires, event_time"},
        "{workflow}.model": {"type": "x", "filepath": "{workflow}/model"},  # Kedro's own factory
    }  # fmt: skip


def test_a_contract_outside_the_project_stays_where_it_is(project: Path) -> None:
    elsewhere = "loans: {applications: {contract: /bank/contracts/a.odcs.yaml}}"
    (project / "conf/own/workflows.yml").write_text(elsewhere)
    (project / "conf/own/catalog.yml").unlink()
    rows = project_config(project, env="own")["catalog"]["loans.rows"]
    assert rows["contract"] == "/bank/contracts/a.odcs.yaml"


def test_an_entry_under_its_full_name_replaces_what_would_be_written_out(project: Path) -> None:
    catalog = project_config(project, env="own")["catalog"]
    assert catalog["loans.rows"] == {"type": "mine"}
    assert "wires.rows" in catalog


def read(project: Path, env: str | None = None) -> ProjectConfigLoader:
    """Conf of sections that no schema knows."""
    return project_config(project, env, checked=False)


def test_sections_are_laid_over_those_of_the_kind_and_of_all(project: Path) -> None:
    parameters = read(project)["parameters"]
    assert parameters["loans"] == {
        "words": {"row": "loan"}, "depth": 5, "of": "loans",
        "kept": {"evidence": [], "list": ["loans", 1]},
        "salt": "loans", "cut": {"a": 1, "b": 3}, "none": None,
    }  # fmt: skip
    evidence = ["online_parity", "time_travel"]
    kept = {"evidence": evidence, "list": ["wires", 1]}
    assert parameters["wires"] == {"depth": 6, "of": "wires", "kept": kept}
    assert not [name for name in parameters if "{" in name]


def test_an_environment_changes_a_section_of_a_kind_or_of_a_workflow(project: Path) -> None:
    parameters = read(project, "own")["parameters"]["loans"]
    assert (parameters["depth"], parameters["salt"]) == (5, "pepper")  # its own comes before
    assert parameters["cut"] == {"a": 7, "b": 3}


def test_a_runs_own_parameters_come_first(project: Path) -> None:
    loader = ProjectConfigLoader(
        project / "conf", env="own", base_env="base", default_run_env="local",
        runtime_params={"loans": {"cut": {"a": 9}}}, checked=False,
    )  # fmt: skip
    assert loader["parameters"]["loans"]["cut"] == {"a": 9, "b": 3}


def test_policy_binds_by_kind_and_by_workflow(project: Path) -> None:
    policy, own = (read(project, env)["policy"] for env in (None, "own"))
    assert policy_of(policy, "wires")["gates"] == {"AUC": {"min": 0.8}, "AP": {"min": 0.5}}
    assert policy_of(policy, "loans")["gates"] == {"AUC": {"min": 0.7}}
    assert policy_of(own, "wires")["gates"] == {"AUC": {"min": 0.9}}
    assert read(project)["parameters"]["workflows"] == policy["workflows"]


def test_a_rule_lists_the_pipelines_of_every_workflow(project: Path) -> None:
    assert project_config(project)["mlflow"]["pipelines"] == ["loans_release", "wires_release"]


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("parameters_x.yml", '"{statics}": {a: 1}', "{statics}, which is no kind of workflow"),
        ("parameters_x.yml", '"{event_time}": {a: "{event_time.contract}"}', "does not declare"),
        ("parameters_x.yml", '"{event_time}": {a: "{static.features}"}', "{static.features}"),
        ("catalog_x.yml", '"{static}.y": {a: "{static.words.rowss.x}"}', "{static.words.rowss.x}"),
    ],
)
def test_a_placeholder_that_nothing_fills_is_refused(
    project: Path, file: str, text: str, says: str
) -> None:
    (project / "conf/base" / file).write_text(text)
    with pytest.raises(WorkflowError) as refused:
        project_config(project)[file.partition("_")[0]]
    assert says in str(refused.value)


def test_a_kinds_section_without_settings_is_refused(project: Path) -> None:
    workflows = project_config(project, checked=False).workflows
    with pytest.raises(WorkflowError, match=r"section \{static\} is 3; it has settings"):
        with_defaults({"{static}": 3}, workflows)
