"""Every pipeline is complete: its inputs are there, its outputs kept, each node resumable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import configure_project, pipelines
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline

from fin_kedro.pipeline_registry import POLICY, register_pipelines
from fin_kedro.project.config import project_config
from fin_kedro.project.context import use
from fin_kedro.project.workflows import WorkflowError
from tests.conftest import ROOT

use(project_config(ROOT))
WORKFLOWS = ("credit", "fraud")
PIPELINES = register_pipelines()
NAMED = pytest.mark.parametrize("name", PIPELINES)
# files of the repository: git holds their versions
UNVERSIONED = {"contract", "transactions_contract", "labels_contract"}
IN_MLFLOW = {"mlflow_metrics"}  # kept under the run


@pytest.fixture(scope="module")
def conf() -> Any:
    return project_config(ROOT)


@pytest.fixture(scope="module")
def catalog(conf: Any) -> DataCatalog:
    """Every dataset that a pipeline names, as the catalog makes it."""
    return DataCatalog.from_config(conf["catalog"], save_version="2026-01-01T00.00.00.000Z")


@pytest.fixture(scope="module")
def parameters(conf: Any) -> Any:
    """All parameters; each look at conf would read them anew."""
    return conf["parameters"]


def parameter(parameters: Any, name: str) -> Any:
    found = parameters
    for step in name.removeprefix("params:").split("."):
        assert step in found, name
        found = found[step]
    return found


def is_versioned(dataset: Any) -> bool:
    return isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None


def datasets(names: set[str]) -> list[str]:
    return sorted(n for n in names if not n.startswith(("params:", "parameters")))


@NAMED
def test_free_inputs_are_in_the_catalog_or_the_parameters(
    name: str, catalog: DataCatalog, parameters: Any
) -> None:
    for free in PIPELINES[name].inputs():
        if free.startswith("params:"):
            parameter(parameters, free)
        else:
            assert free in catalog, free


@NAMED
def test_every_output_is_kept_under_a_version(name: str, catalog: DataCatalog) -> None:
    for output in datasets(PIPELINES[name].all_outputs()):
        dataset = catalog.get(output)
        assert dataset is not None, f"{output} would live in memory only"
        if output.split(".")[-1] not in IN_MLFLOW:
            assert is_versioned(dataset), output


def test_each_workflow_has_its_stages_and_is_whole() -> None:
    for workflow in WORKFLOWS:
        whole = PIPELINES[workflow]
        for stage in ("training", "validation"):
            assert set(PIPELINES[f"{workflow}_{stage}"].nodes) <= set(whole.nodes)
        for later in ("batch", "release"):
            assert not set(PIPELINES[f"{workflow}_{later}"].nodes) & set(whole.nodes)
    simulated = {*PIPELINES["fraud_simulation"].nodes}
    assert not simulated & {*PIPELINES["fraud"].nodes}, "your own transactions are never simulated"
    workflows = {n for w in WORKFLOWS for n in PIPELINES[w].nodes}
    assert set(PIPELINES["__default__"].nodes) == workflows | simulated


def test_a_run_never_releases() -> None:
    assert not any("release" in node.name for node in PIPELINES["__default__"].nodes)


@NAMED
def test_nodes_and_data_stand_in_their_workflows_namespace(name: str) -> None:
    pipeline = PIPELINES[name]
    for node in pipeline.nodes:
        assert node.namespace in WORKFLOWS and node.name.startswith(f"{node.namespace}.")
    for dataset in pipeline.datasets() - set(POLICY):
        assert dataset.removeprefix("params:").split(".")[0] in WORKFLOWS, dataset


@pytest.mark.parametrize("start", [n.name for n in PIPELINES["__default__"].nodes])
def test_a_run_resumes_from_any_node(start: str, catalog: DataCatalog) -> None:
    resumed: Pipeline = PIPELINES["__default__"].from_nodes(start)
    for needed in datasets(resumed.inputs()):
        dataset: Any = catalog.get(needed)
        assert dataset is not None, needed
        assert is_versioned(dataset) or needed.split(".")[-1] in UNVERSIONED, needed


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_the_evidence_of_the_report_exists_before_it_is_written(workflow: str) -> None:
    pipeline = PIPELINES["__default__"]
    order = [node.name for node in pipeline.nodes]
    report = order.index(f"{workflow}.write_validation_report")
    for node in pipeline.nodes:
        if set(node.outputs) & set(pipeline.nodes[report].inputs):
            assert order.index(node.name) < report


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_gates_come_last(workflow: str) -> None:
    assert PIPELINES[workflow].nodes[-1].name == f"{workflow}.enforce_gates"


def test_no_fraud_model_is_validated_before_both_proofs_are_there() -> None:
    report = next(n for n in PIPELINES["fraud"].nodes if n.name == "fraud.write_validation_report")
    assert {"fraud.online_parity", "fraud.time_travel"} <= set(report.inputs)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """A folder of conf whose environment `own` may declare workflows."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf/own").mkdir()
    yield tmp_path
    use(project_config(ROOT))


def declare(environment: Path, text: str) -> dict[str, Pipeline]:
    """The pipelines of an environment that declares this."""
    (environment / "conf/own/workflows.yml").write_text(text)
    use(project_config(environment, env="own"))
    return register_pipelines()


LOANS = "{kind: static, applications: {contract: c.odcs.yaml, filepath: loans.csv}}"
COSTS = """
loans: {decision: {costs: {approve_good: 1, approve_bad: -9, decline_good: 0, decline_bad: 0}}}
"""


def test_an_environments_workflow_has_the_pipelines_of_its_kind(environment: Path) -> None:
    made = declare(environment, f"loans: {LOANS}")
    ours = {name.removeprefix("loans") for name in made if name.startswith("loans")}
    assert ours == {"", "_training", "_validation", "_batch", "_release"}
    for name in ours:
        theirs = PIPELINES[f"credit{name}"].nodes
        assert [n.name.split(".")[1] for n in made[f"loans{name}"].nodes] == [
            n.name.split(".")[1] for n in theirs
        ]
    assert set(made["loans"].nodes) <= set(made["__default__"].nodes)
    (environment / "conf/own/parameters_loans.yml").write_text(COSTS)
    conf = project_config(environment, env="own")
    catalog = DataCatalog.from_config(conf["catalog"], save_version="2026-01-01T00.00.00.000Z")
    parameters = conf["parameters"]
    for free in made["loans"].inputs():
        if free.startswith("params:"):
            parameter(parameters, free)
        else:
            assert free in catalog, free
    assert parameter(parameters, "params:loans.features") == {"definitions": None}
    assert parameter(parameters, "params:loans.release")["workflow"] == "loans"


def test_an_environment_takes_a_workflow_away(environment: Path) -> None:
    assert not [name for name in declare(environment, "fraud: null") if name.startswith("fraud")]


def test_two_workflows_with_one_pipeline_are_refused(environment: Path) -> None:
    with pytest.raises(WorkflowError, match="credit_batch would have a pipeline 'credit_batch'"):
        declare(environment, f"credit_batch: {LOANS}")


def test_pipelines_follow_the_environment_that_is_opened_last(environment: Path) -> None:
    """In one process, as in a notebook: Kedro keeps pipelines until it is told."""
    configure_project("fin_kedro", preserve_logging=True)
    assert "loans" not in pipelines and "credit" in pipelines
    (environment / "conf/own/workflows.yml").write_text(f"loans: {LOANS}")
    use(project_config(environment, env="own"))
    assert "loans" in pipelines
    use(project_config(ROOT))
    assert "loans" not in pipelines
