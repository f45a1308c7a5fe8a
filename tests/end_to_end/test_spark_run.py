"""`--env spark` runs the same nodes to the last gate, and gives the same tables, row by row."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import ibis
import pandas as pd
import pytest
import yaml

from fin_kedro.governance.package import read_package
from fin_kedro.models.batch_scoring import batch_scores
from tests import commands
from tests.conftest import QUIET, copy_project
from tests.end_to_end.evidence import newest, read_json
from tests.spark import QUICK, needs_java

pytestmark = [needs_java, pytest.mark.slow]


# One process runs both commands, as `python -m kedro` would one after the other: the second has
# Spark's session of the first, whose start costs more than what it then computes.
COMMANDS = """
import json, runpy, sys
for words in json.loads(sys.argv[1]):
    sys.argv = ["kedro", *words]
    try:
        runpy.run_module("kedro", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
"""
FEW = {  # 300 cards: one core and one part are enough, and no plan is worth a second look
    "spark.master": "local[1]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": 1,
}


@pytest.fixture(scope="module")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose small environment computes on Spark: the whole workflow, then its history."""
    project = copy_project(tmp_path_factory.mktemp("spark") / "project")
    shutil.copytree(project / "conf/ci", project / "conf/small")
    conf = yaml.safe_load((project / "conf/spark/globals.yml").read_text())
    assert FEW.keys() <= conf["engine"].keys()
    conf["engine"] |= {**FEW, "spark.sql.adaptive.enabled": False, **QUICK}
    (project / "conf/small/globals.yml").write_text(yaml.safe_dump(conf))
    fewer(project / "conf/small/parameters_fraud.yml")
    run_one_after_the_other(
        project,
        ["--pipelines", "fraud_simulation,fraud"],
        ["--pipelines", "fraud_batch", "--params", "fraud.batch.model=candidate"],
    )
    return project


def fewer(path: Path) -> None:
    """Leave less to compute of what no table and no model is made of."""
    settings = yaml.safe_load(path.read_text())
    settings["fraud"] |= {
        "time_travel": {"days": ["2018-04-20"]},  # through four weeks of rows, not six
        "report": {"bootstrap_replicates": 10},
    }
    path.write_text(yaml.safe_dump(settings))


def run_one_after_the_other(project: Path, *runs: list[str]) -> None:
    """Run pipelines in one process, each with the options given."""
    words = json.dumps([["run", "--env", "small", *run] for run in runs])
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(project / "src")}
    result = commands.run(
        ["-c", COMMANDS, words], folder=project, environment=commands.settled(environment)
    )
    assert result.returncode == 0, result.stdout + result.stderr


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
