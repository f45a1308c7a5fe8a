"""`--env spark` runs the same nodes, and gives the same tables, row by row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import copy_project, kedro
from tests.spark import needs_java

pytestmark = [needs_java, pytest.mark.slow]
LAST = "fraud.build_model_table,fraud.replay_online"


@pytest.fixture(scope="module")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose small environment computes on Spark."""
    project = copy_project(tmp_path_factory.mktemp("spark") / "project")
    shutil.copytree(project / "conf/ci", project / "conf/small")
    settings = (project / "conf/spark/globals.yml").read_text().replace("4g", "2g")
    (project / "conf/small/globals.yml").write_text(settings)
    result = kedro(
        project, "run", "--env", "small", "--pipelines", "fraud_simulation,fraud",
        "--to-nodes", LAST,
    )  # fmt: skip
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
    (found,) = on_spark.rglob("online_parity.json/*/online_parity.json")
    parity = pd.read_json(found)
    assert (parity.loc["differences"] == 0).all() and (parity.loc["rows"] == 3000).all()
