"""Spark for tests: the settings of conf/spark, and a mark for tests that need Java."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

needs_java = pytest.mark.usefixtures("java")


# A session of seconds: the second compiler would work as long as the tables, and is never repaid.
QUICK = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def settings() -> dict[str, Any]:
    """Return the ``connection`` of datasets under ``--env spark``, with less memory."""
    conf = yaml.safe_load((ROOT / "conf/spark/globals.yml").read_text())
    few = {"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": 2}
    return {**conf["engine"], **few, **QUICK}


def dataset(path: Path, **more: Any) -> Any:
    """Return a table dataset that Spark reads and writes."""
    from fin_kedro.storage.datasets import TableDataset

    return TableDataset(filepath=str(path), connection=settings(), **more)
