"""Every pipeline is complete: its inputs are there, its outputs kept, each node resumable."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline

from fin_kedro.pipeline_registry import POLICY, WORKFLOWS, register_pipelines
from fin_kedro.project.config import project_config
from tests.conftest import ROOT

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


def parameter(conf: Any, name: str) -> Any:
    found = conf["parameters"]
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
    name: str, catalog: DataCatalog, conf: Any
) -> None:
    for free in PIPELINES[name].inputs():
        if free.startswith("params:"):
            parameter(conf, free)
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
