"""200,000 transactions with late and corrected reports: both engines and all stores, one number."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.online.replay import compare
from fin_kedro.pipelines.event_time.history import compute_history
from fin_kedro.pipelines.event_time.proofs import replay_online
from fin_kedro.project.config import project_config
from fin_kedro.simulation.card_transactions import simulate
from fin_kedro.storage.datasets import TableDataset
from tests.conftest import ROOT
from tests.online.kinds import redis_url

from .conftest import Printer

WORLD: dict[str, Any] = {
    "factor": 0.13,
    "labels": {"late_share": 0.2, "false_alarm_share": 0.002, "corrected_share": 0.2},
    "arrival": {"late_share": 0.01, "late_minutes": 600},
}
REPLAY = {"from": "2018-04-20", "rows": 200_000}
COUNTS = ("rows", "late_rows", "late_labels", "corrections", "differences")
HEAD = "{:<20}" + "{:>13}" * len(COUNTS) + "{:>10}"


def bench_replay(say: Printer, tmp_path: Path) -> None:
    """History on DuckDB, the same on Spark cell by cell, then each store row by row; one round."""
    knobs = project_config(ROOT)["parameters"]["fraud"]
    features, split = knobs["features"], knobs["split"]
    world = simulate(settings=WORLD, seed=1)
    given = ibis.memtable(world.transactions), ibis.memtable(world.labels)
    say("differences are counted against the table that DuckDB computed; they are 0, or this fails")
    print("  " + HEAD.format("", *(name.replace("_", " ") for name in COUNTS), "seconds"))

    def history(tables: tuple[Any, Any]) -> pd.DataFrame:
        return compute_history(*tables, features, split).execute()

    expected, seconds = timed(lambda: history(given))
    show("DuckDB, history", {"rows": len(expected)}, seconds)
    if shutil.which("java") is None:
        print("  Spark not run: no Java on this machine")
    else:
        on_spark = spark_tables(given, tmp_path)
        found, seconds = timed(lambda: history(on_spark))
        outcome = compare(expected, found, [*fraud_statistics.names, fraud_statistics.label])
        show("Spark, history", outcome, seconds)
        assert outcome["differences"] == 0, outcome["first"]
    offline = ibis.memtable(expected)
    for store in ("memory:", "log:", *redis()):
        settings = {**REPLAY, "stores": [store]}
        replayed, seconds = timed(
            lambda settings=settings: replay_online(*given, offline, features, settings)
        )
        [(name, outcome)] = replayed.items()
        show(f"{name}, replay", outcome, seconds)
        assert outcome["rows"] >= REPLAY["rows"] and not outcome["differences"]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def spark_tables(given: tuple[Any, Any], folder: Path) -> tuple[Any, Any]:
    """The same tables on Spark, with the settings of conf/spark."""
    settings = project_config(ROOT, "spark")["globals"]["engine"]
    tables = []
    for name, table in zip(("transactions", "labels"), given, strict=True):
        stored = TableDataset(filepath=str(folder / f"{name}.parquet"), connection=settings)
        stored.save(table)
        tables.append(stored.load())
    return tables[0], tables[1]


def redis() -> list[str]:
    """The Redis that answers; none with a word why."""
    try:
        return [redis_url()]
    except pytest.skip.Exception as absent:
        print(f"  Redis not run: {absent}")
        return []


def show(name: str, counts: dict[str, Any], seconds: float) -> None:
    """Print one line; what does not apply is empty."""
    cells = [f"{counts[c]:,}" if c in counts else "" for c in COUNTS]
    print("  " + HEAD.format(name, *cells, f"{seconds:.1f}"), flush=True)
