"""`--env spark` runs the same nodes to the last gate, and gives the same tables, row by row."""

from __future__ import annotations

import shutil
from pathlib import Path

import ibis
import pandas as pd
import pytest
import yaml

from fin_kedro.governance.package import read_package
from fin_kedro.models.batch_scoring import batch_scores
from tests.conftest import copy_project, kedro
from tests.end_to_end.evidence import newest, read_json
from tests.spark import QUICK, needs_java

pytestmark = [needs_java, pytest.mark.slow]


@pytest.fixture(scope="module")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose small environment computes on Spark: the whole workflow, then its history."""
    project = copy_project(tmp_path_factory.mktemp("spark") / "project")
    shutil.copytree(project / "conf/ci", project / "conf/small")
    conf = yaml.safe_load((project / "conf/spark/globals.yml").read_text())
    few = {"spark.driver.memory": "2g", "spark.sql.shuffle.partitions": 2}  # 300 cards: few rows
    assert few.keys() <= conf["engine"].keys()
    conf["engine"] |= {**few, **QUICK}
    (project / "conf/small/globals.yml").write_text(yaml.safe_dump(conf))
    for command in (
        ("--pipelines", "fraud_simulation,fraud"),
        ("--pipelines", "fraud_batch", "--params", "fraud.batch.model=candidate"),
    ):
        result = kedro(project, "run", "--env", "small", *command)
        assert result.returncode == 0, result.stdout + result.stderr
    return project


def table(project: Path, name: str) -> pd.DataFrame:
    newest = sorted((project / "data").rglob(f"{name}.parquet/*/{name}.parquet"))
    found = [path for path in newest if "fraud" in path.parts][-1]
    key = "entity_id" if name == "model_table" else "transaction_id"
    return pd.read_parquet(found).sort_values(key, ignore_index=True)


@pytest.mark.parametrize("name", ["accepted", "model_table"])
def test_spark_and_duckdb_leave_the_same_table(name: str, on_spark: Path, trained: Path) -> None:
    expected, found = table(trained, name), table(on_spark, name)
    assert len(expected) > 5_000
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def test_the_replay_agrees_with_spark(on_spark: Path) -> None:
    parity = read_json(on_spark / "data/08_reporting/fraud/online_parity.json")
    assert {found["differences"] for found in parity.values()} == {0}
    assert {found["rows"] for found in parity.values()} == {3000}


def test_the_workflow_comes_to_the_same_model_and_passes_its_gates(
    on_spark: Path, trained: Path
) -> None:
    at = "data/08_reporting/fraud"
    assert read_json(on_spark / f"{at}/passed_gates.json")["passed"]
    digests = [
        read_json(project / f"{at}/validation_record.json")["candidate"]["digest"]
        for project in (on_spark, trained)
    ]
    assert digests[0] == digests[1]


def test_history_gets_equal_scores_on_both_engines(on_spark: Path) -> None:
    found = table(on_spark, "batch_scores")
    at = on_spark / "data"
    package = read_package(newest(at / "06_models/fraud/package"))
    rows = ibis.duckdb.connect().read_parquet(
        newest(at / "02_intermediate/fraud/accepted.parquet") / "*.parquet"
    )
    scores = batch_scores(package.model, rows, id="transaction_id").order_by("transaction_id")
    record = read_json(at / "07_model_output/fraud/batch_record.json")
    assert record["rows"] == len(found) > 50_000 and record["digest"] == package.digest
    pd.testing.assert_frame_equal(found, scores.execute(), check_exact=True, check_dtype=False)
