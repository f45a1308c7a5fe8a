"""The age of a date: the same days by plain datetimes, on DuckDB, in the graph and in a request."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract, ContractError
from fin_kedro.features.expressions import (
    Definitions,
    feature_columns,
    feature_expressions,
    ratio,
    reads,
)
from fin_kedro.models.batch_scoring import batch_scores
from fin_kedro.models.graph import build_graph, metadata, score_frame

UTC = dt.UTC
NOWHEN = dt.datetime(1900, 1, 1)  # means missing
ENDS = ("date", "timestamp")
EDGES = [
    dt.datetime(2024, 2, 28, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29),
    dt.datetime(2000, 2, 29, 12),
    dt.datetime(1900, 2, 28),
    dt.datetime(1969, 12, 31, 23),
]
MOMENTS = st.none() | st.sampled_from([*EDGES, NOWHEN]) | st.datetimes(
    dt.datetime(1850, 1, 1), dt.datetime(2150, 1, 1)
)  # fmt: skip
ROWS = st.lists(st.tuples(MOMENTS, MOMENTS), min_size=1, max_size=12)


def contract(type_: str, at: str | None, **more: Any) -> Contract:
    """Rows with the moment `since`; ``at`` is a type of the time column or a fixed moment."""
    in_table = at in ENDS
    columns = [
        Column(name="key", type="integer", role="id"),
        Column(name="since", type=type_, role="feature", missing_codes=("1900-01-01",),
               age_at="time" if in_table else at, required=False, **more),
        Column(name="bad", type="integer", role="target", allowed=(0, 1)),
    ]  # fmt: skip
    if in_table:
        columns.append(Column(name="applied", type=str(at), role="time"))
    return Contract(name="rows", version="1", columns={c.name: c for c in columns})


def stored(moment: dt.datetime | None, type_: str) -> Any:
    return moment.date() if moment is not None and type_ == "date" else moment


def by_hand(since: Any, at: Any) -> float:
    """Days by Python's own calendar: whole ones where one of the two is a day."""
    if since is None or at is None:
        return math.nan
    if isinstance(since, dt.datetime) and isinstance(at, dt.datetime):
        return (at - since) / dt.timedelta(days=1)
    days = [m.date() if isinstance(m, dt.datetime) else m for m in (at, since)]
    return float((days[0] - days[1]).days)


def table_of(rows: Sequence[tuple[Any, Any]], type_: str, at: str) -> ibis.Table:
    at_type = at if at in ENDS else "timestamp"
    schema = {"key": "int64", "since": type_, "applied": at_type, "bad": "int64"}
    full = [(n, stored(a, type_), stored(b, at_type), 0) for n, (a, b) in enumerate(rows)]
    columns = zip(*full, strict=True)
    frame = {
        name: pd.Series(list(values), dtype=object)
        for name, values in zip(schema, columns, strict=True)
    }
    return ibis.memtable(pd.DataFrame(frame), schema=schema)


def ages(known: Contract, table: ibis.Table) -> np.ndarray:
    columns = feature_columns(known, feature_expressions(known), table)
    return table.select("key", **columns).order_by("key").execute()["since"].to_numpy(float)


def graph_of(known: Contract) -> onnx.ModelProto:
    """A graph whose log odds are the age itself, told by bins of one day's thousandth part."""
    model = {
        "kind": "scorecard", "features": ["since"], "coefficients": {"since": 1.0},
        "intercept": 0.0,
        "bins": {"since": {"nominal": False, "edges": EDGE_DAYS, "mean_woe": 0.0,
                           "woe": [float(n) for n in range(len(EDGE_DAYS) + 1)],
                           "missing_woe": -1.0}},
    }  # fmt: skip
    return build_graph(
        inputs={c.name: c.type for c in known.inputs},
        expressions={name: f.expression for name, f in feature_expressions(known).items()},
        nominal=[], model=model, calibration={"method": "platt", "slope": 1.0, "intercept": 0.0},
        reason_of={"since": "since"},
    )  # fmt: skip


EDGE_DAYS = [-1e4, -365.0, -1.0, -1e-5, 0.0, 1e-5, 0.5, 1.0, 28.0, 29.0, 365.0, 366.0, 1e4]


@pytest.mark.parametrize("type_", ENDS)
@pytest.mark.parametrize("at", [*ENDS, "2024-02-29", "2024-02-29T06:00:00Z"])
@given(rows=ROWS)
@settings(max_examples=15)
def test_days_are_those_of_the_calendar_in_tables_graphs_and_requests(
    type_: str, at: str, rows: list[tuple[dt.datetime | None, dt.datetime | None]]
) -> None:
    known = contract(type_, at)
    fixed = dt.datetime.fromisoformat(at).replace(tzinfo=None) if at not in ENDS else None
    fixed = fixed.date() if fixed is not None and len(at) == 10 else fixed
    expected = np.array([
        by_hand(None if stored(a, type_) in (NOWHEN, NOWHEN.date()) else stored(a, type_),
                stored(b, at) if at in ENDS else fixed)
        for a, b in rows
    ])  # fmt: skip
    table = table_of(rows, type_, at)
    found = ages(known, table)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)
    if "date" in (type_, at) or len(at) == 10:
        np.testing.assert_array_equal(found, expected)
    graph = GRAPHS.setdefault((type_, at), graph_of(known))
    reached = np.where(np.isnan(found), -1.0, np.searchsorted(EDGE_DAYS, found, side="right"))
    frame = table.order_by("key").execute()
    _, contributions = score_frame(graph, frame)
    np.testing.assert_array_equal(contributions[:, 0], reached)
    texts = {
        c.name: [None if pd.isna(v) else str(v)[:10] if c.type == "date" else v.isoformat()
                 for v in frame[c.name]]
        for c in known.inputs
    }  # fmt: skip
    np.testing.assert_array_equal(score_frame(graph, texts)[1], contributions)


GRAPHS: dict[tuple[str, str], onnx.ModelProto] = {}


def test_a_time_with_a_zone_is_counted_by_the_clock_of_utc() -> None:
    """00:30 at Berlin on 1 March is 29 February in UTC; its file keeps the zone."""
    known = contract("timestamp", "date")
    berlin = dt.timezone(dt.timedelta(hours=1))
    since = dt.datetime(2024, 3, 1, 0, 30, tzinfo=berlin)
    zoned = ibis.memtable(
        pd.DataFrame({"key": [0], "since": [since], "applied": [dt.date(2024, 3, 2)]}),
        schema={"key": "int64", "since": "timestamp('Europe/Berlin')", "applied": "date"},
    )
    assert ages(known, zoned).tolist() == [2.0]
    request = {"since": ["2024-03-01T00:30:00+01:00"], "applied": ["2024-03-02"]}
    place = float(np.searchsorted(EDGE_DAYS, 2.0, side="right"))
    assert score_frame(graph_of(known), request)[1].tolist() == [[place]]


def test_a_day_that_a_file_keeps_with_its_hour_is_that_day() -> None:
    known = contract("date", "date")
    since = pd.to_datetime(["2024-02-28 23:30", "1900-01-01 12:00"])
    table = ibis.memtable(pd.DataFrame({
        "key": [0, 1], "since": since,
        "applied": pd.to_datetime(["2024-03-01 01:00"] * 2),
    }))  # fmt: skip
    np.testing.assert_array_equal(ages(known, table), [2.0, math.nan])


def test_history_gets_the_probabilities_of_single_requests() -> None:
    known = contract("timestamp", "date")
    rows = [(EDGES[n % 5], EDGES[n % 3] + dt.timedelta(days=n)) for n in range(40)] + [
        (None, EDGES[0])
    ]
    table, graph = table_of(rows, "timestamp", "date"), graph_of(known)
    assert metadata(graph)["inputs"] == {"since": "moment", "applied": "moment"}
    found = batch_scores(graph, table, id="key").order_by("key").execute()["probability"]
    alone, _ = score_frame(graph, table.order_by("key").execute())
    np.testing.assert_array_equal(found.to_numpy(), alone)
    assert len(set(alone)) > 3


def test_derived_features_read_the_age_and_never_the_time_itself() -> None:
    known = contract("date", "date", recode={"1970-01-01": "2000-01-01"})
    derived = Definitions()

    @derived.feature(reason_column="since")
    def years(t: ibis.Table) -> Any:
        return ratio(t.since, ibis.literal(365.25))

    found = feature_expressions(known, derived)
    assert reads(found) == {"since": ["applied", "since"], "years": ["applied", "since"]}
    table = table_of([(dt.datetime(1970, 1, 1), dt.datetime(2001, 1, 1))], "date", "date")
    made = table.select(**feature_columns(known, found, table)).execute()
    assert made["since"][0] == 366.0  # 2000 was a leap year
    assert made["years"][0] == 366.0 / 365.25

    @derived.feature(reason_column="since")
    def season(t: ibis.Table) -> Any:
        return t.applied

    with pytest.raises(ContractError, match="'season' reads applied, whose role .* 'time'"):
        feature_expressions(known, derived)
