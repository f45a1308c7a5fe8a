"""History is scored by the graph that answers live requests, whatever the size of a batch."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from fin_kedro.models.batch_scoring import _Work, batch_scores
from fin_kedro.models.graph import GraphError, build_graph, metadata, score_frame, to_bytes
from tests.models import lending


@pytest.fixture(scope="module")
def graph() -> Any:
    frame = lending.applications()
    _, told = lending.train(lending.model_table(frame), lending.outcome(frame), iterations=150)
    return build_graph(
        inputs=lending.INPUTS,
        expressions=lending.expressions(),
        nominal=lending.NOMINAL,
        model=told,
        calibration=lending.CALIBRATION,
        reason_of=lending.REASON_OF,
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return lending.unseen(lending.applications(rows=6016)).assign(key=range(6016))  # 94 x 64


def scores(graph: Any, table: Any) -> np.ndarray:
    return batch_scores(graph, table, id="key").order_by("key").execute()["probability"].to_numpy()


def test_a_table_gets_the_probabilities_of_the_graph(graph: Any, rows: pd.DataFrame) -> None:
    assert (scores(graph, ibis.memtable(rows)) == score_frame(graph, rows)[0]).all()
    assert (scores(to_bytes(graph), ibis.memtable(rows)) == score_frame(graph, rows)[0]).all()


@pytest.mark.parametrize("size", [1, 7, 2048, 6016])
def test_a_probability_does_not_depend_on_how_an_engine_cuts_batches(
    graph: Any, rows: pd.DataFrame, size: int
) -> None:
    few = rows if size > 7 else rows.head(384)
    numbers = [name for name in graph_numbers(graph) if graph_numbers(graph)[name]]
    texts = [name for name in graph_numbers(graph) if not graph_numbers(graph)[name]]
    work = _Work(to_bytes(graph), tuple(numbers), tuple(texts))
    left = np.column_stack([few["key"], few[numbers].astype(float)])
    right = np.column_stack([few["key"].map(str), few[texts].fillna("")]).astype(object)
    parts = [work(left[at : at + size], right[at : at + size]) for at in range(0, len(few), size)]
    assert (np.concatenate(parts) == score_frame(graph, few)[0]).all()


def graph_numbers(graph: Any) -> dict[str, bool]:
    return {name: kind == "number" for name, kind in metadata(graph)["inputs"].items()}


def test_two_graphs_score_one_table_in_one_connection(graph: Any, rows: pd.DataFrame) -> None:
    other = type(graph)()
    other.CopyFrom(graph)
    other.graph.node[-1].op_type = "Tanh"  # another last step, where there was a sigmoid
    connection = ibis.duckdb.connect()
    table = connection.create_table("t", ibis.memtable(rows))
    first, second = scores(graph, table), scores(other, table)
    assert (first == scores(graph, table)).all() and not (first == second).any()


def test_a_table_without_rows_gives_none(graph: Any, rows: pd.DataFrame) -> None:
    assert len(scores(graph, ibis.memtable(rows).limit(0))) == 0


def test_a_missing_column_is_named(graph: Any, rows: pd.DataFrame) -> None:
    with pytest.raises(GraphError, match=r"\['town'\] are not in the table"):
        batch_scores(graph, ibis.memtable(rows.drop(columns="town")), id="key")


def test_other_engines_are_refused(graph: Any, rows: pd.DataFrame) -> None:
    connection = ibis.sqlite.connect()
    table = connection.create_table("t", rows)
    with pytest.raises(GraphError, match="'sqlite'; allowed: duckdb, pyspark"):
        batch_scores(graph, table, id="key")


def test_an_id_may_be_called_as_our_column(graph: Any, rows: pd.DataFrame) -> None:
    table = ibis.memtable(rows).rename(Probability="key")
    found = batch_scores(graph, table, id="Probability").order_by("Probability").execute()
    plain = batch_scores(graph, ibis.memtable(rows), id="key").order_by("key").execute()
    assert list(found) == ["Probability", "fin_kedro__probability"]
    assert found.to_numpy().tolist() == plain.to_numpy().tolist()
