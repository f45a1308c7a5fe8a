"""The same code on Spark gives the same numbers, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from kedro.io import Version

from fin_kedro.contracts.tables import split_rows
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.history import offline
from fin_kedro.features.time_travel import check_point_in_time, rows_over_time
from fin_kedro.features.windows import EventFeatures
from fin_kedro.models.batch_scoring import batch_scores
from fin_kedro.models.graph import build_graph, score_frame
from fin_kedro.simulation.card_transactions import simulate
from fin_kedro.storage.datasets import TableDataset
from tests.contracts.samples import prop, read
from tests.features import test_ages as ages
from tests.models import lending
from tests.spark import dataset, needs_java

pytestmark = [needs_java, pytest.mark.slow]

WORLD: dict[str, Any] = {
    "customers": 40,
    "terminals": 30,
    "days": 45,
    "radius": 60,
    "fraud": {"terminals": {"daily": 0.5, "days": 10}},
    "labels": {"late_share": 0.3, "false_alarm_share": 0.02, "corrected_share": 0.5},
    "arrival": {"late_share": 0.1, "late_minutes": 3000},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small world with late rows, ties and corrected labels: as frames, and as Spark wrote it."""
    world = simulate(settings=WORLD, seed=5)
    frames = {"transactions": world.transactions, "labels": world.labels}
    folder = tmp_path_factory.mktemp("spark")
    paths = {name: folder / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        dataset(paths[name]).save(ibis.memtable(frame))
    return {"frames": frames, "paths": paths}


def spark_tables(tables: dict[str, Any]) -> list[Any]:
    return [dataset(path).load() for path in tables["paths"].values()]


def test_spark_computes_the_statistics_of_duckdb(tables: dict[str, Any]) -> None:
    memory = [ibis.memtable(frame) for frame in tables["frames"].values()]
    expected = offline(fraud_statistics, *memory).order_by("transaction_id").to_pyarrow()
    table = offline(fraud_statistics, *spark_tables(tables))
    assert table.get_backend().name == "pyspark"
    found = table.order_by("transaction_id").to_pyarrow()
    assert found.schema.types == expected.schema.types
    assert found.to_pylist() == expected.to_pylist()
    late = tables["frames"]["transactions"].eval("known_us > event_us").sum()
    assert late > 50 and len(tables["frames"]["labels"]) > 30  # or it would prove little


def test_a_contract_keeps_the_same_rows_on_spark(tmp_path: Path) -> None:
    contract = read(
        tmp_path,
        prop("n", "number", options={"multipleOf": 0.01, "exclusiveMinimum": -5}),
        prop("i", "integer", options={"multipleOf": 3}, unique=True, custom={"missingCodes": [-9]}),
        prop("t", "string", options={"pattern": r"^[A-Z&&]\d.$", "maxLength": 3}),
        prop("d", "date", "ignored", options={"minimum": "2026-01-01"}),
        prop("e", "string", enum=list("uvwxyz"), required=False),
    )
    days = pd.to_datetime(["2026-01-01"] * 5 + ["2025-12-31"]).date
    rows = pd.DataFrame(
        {
            "id": list("abcdef"),
            "n": [1.13, 0.005, -5.0, 123456.78, 0.0, 7.0],
            "i": [3, 6, 7, -9, -9, 6],
            "t": ["A1x", "&1x", "A1\n", "", "É1x", "A1😀"],
            "d": days,
            "e": [None, "u", "zz", "u", "z", "u"],
            "bad": [0, 1, 0, 1, 0, 1],
        }
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    broken = split_rows(contract, dataset(tmp_path / "rows.parquet").load())[1].order_by("id")
    assert broken.get_backend().name == "pyspark"
    told = dict(broken.select("id", "reason").execute().itertuples(index=False))
    found = {i: {p[0] for p in text.split("; ")} & set("nitde") for i, text in told.items()}
    # by hand: the columns that each row breaks
    assert found == {"b": {*"ni"}, "c": {*"nite"}, "d": {*"t"}, "e": {*"t"}, "f": {*"id"}}


@pytest.mark.parametrize(("type_", "at"), [("date", "timestamp"), ("timestamp", "timestamp")])
def test_an_age_is_the_same_on_spark(tmp_path: Path, type_: str, at: str) -> None:
    ends = [*ages.EDGES, ages.NOWHEN, None]
    known = ages.contract(type_, at)
    table = ages.table_of([(a, b) for a in ends for b in ends], type_, at)
    dataset(tmp_path / "rows.parquet").save(table)
    on_spark = ages.ages(known, dataset(tmp_path / "rows.parquet").load())
    np.testing.assert_array_equal(on_spark, ages.ages(known, table))


def test_the_journey_in_time_runs_on_spark(tables: dict[str, Any]) -> None:
    transactions, labels = spark_tables(tables)
    few = EventFeatures(statistics=fraud_statistics.statistics[:4])
    rows = rows_over_time(few, transactions, 1)
    check_point_in_time(lambda t, told: offline(few, t, told), few, transactions, labels, rows)


def test_a_versioned_table_of_spark_is_read_by_duckdb_and_hashed_by_its_rows(
    tmp_path: Path,
) -> None:
    rows = pd.DataFrame({"a": range(100), "b": [None, "x"] * 50})
    hashes = []
    for version, frame in {"1": rows, "2": rows, "3": rows.assign(a=0)}.items():
        saved = dataset(tmp_path / "t.parquet", version=Version(version, version))
        saved.save(ibis.memtable(frame))
        hashes.append(saved.content_hash())
    assert hashes[0] == hashes[1] != hashes[2]
    again = TableDataset(filepath=str(tmp_path / "t.parquet"), version=Version("1", None))
    pd.testing.assert_frame_equal(again.load().order_by("a").execute(), rows, check_dtype=False)


def test_a_graph_scores_the_same_on_both_engines(tmp_path: Path) -> None:
    frame = lending.applications(rows=4992).assign(key=np.arange(4992))
    _, told = lending.train(lending.model_table(frame), lending.outcome(frame), iterations=40)
    graph = build_graph(
        inputs=lending.INPUTS,
        expressions=lending.expressions(),
        nominal=lending.NOMINAL,
        model=told,
        calibration=lending.CALIBRATION,
        reason_of=lending.REASON_OF,
    )
    dataset(tmp_path / "rows.parquet").save(ibis.memtable(frame))
    table = dataset(tmp_path / "rows.parquet").load()
    on_spark = batch_scores(graph, table, id="key").order_by("key").execute()
    assert on_spark["key"].tolist() == frame["key"].tolist()
    on_duckdb = batch_scores(graph, ibis.memtable(frame), id="key").order_by("key").execute()
    assert (on_spark["probability"] == on_duckdb["probability"]).all()
    assert (on_spark["probability"].to_numpy() == score_frame(graph, frame)[0]).all()
