"""What the model sees: the same in the table and in the graph, and what it says it is."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

from fin_kedro.contracts.model import Column, Contract
from fin_kedro.features.expressions import feature_columns, feature_expressions, reads
from fin_kedro.features.fraud_statistics import fraud_statistics, handbook_statistics
from fin_kedro.features.history import offline
from fin_kedro.features.onnx import compile_number
from fin_kedro.features.onnx_nodes import Builder
from fin_kedro.features.windows import DAY, HOUR
from fin_kedro.models.graph import IR_VERSION, OPSETS, open_session
from fin_kedro.simulation.card_transactions import simulate

MODULE = "fin_kedro.features.fraud_columns"
OWN = ["amount_cents", "place_x", "place_y"]


def contract(names: list[str]) -> Contract:
    columns = {name: Column(name=name, type="integer", role="feature") for name in [*OWN, *names]}
    return Contract(name="scored", version="1", columns=columns)


FRAUD = contract(fraud_statistics.names)
FEATURES = feature_expressions(FRAUD, f"{MODULE}:fraud_features")


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    settings = {
        "customers": 80,
        "terminals": 60,
        "days": 60,
        "radius": 40,
        "labels": {"false_alarm_share": 0.01},
        "arrival": {"late_share": 0.05},
    }
    world = simulate(settings=settings, seed=4)
    tables = ibis.memtable(world.transactions), ibis.memtable(world.labels)
    return offline(fraud_statistics, *tables).order_by("transaction_id").execute()


def in_table(rows: pd.DataFrame) -> pd.DataFrame:
    table = ibis.memtable(rows.reset_index(drop=True).assign(at=range(len(rows))))
    made = table.select("at", **feature_columns(FRAUD, FEATURES, table))
    return made.order_by("at").drop("at").execute()


def one(**changes: float) -> pd.Series:
    row = dict.fromkeys(FRAUD.columns, 0) | {"customer_count_30d": 1, "customer_count_7d": 1}
    return in_table(pd.DataFrame([row | changes])).iloc[0]


def test_the_handbook_has_fifteen_and_needs_only_its_own_statistics() -> None:
    own = contract(handbook_statistics.names)
    handbook = feature_expressions(own, f"{MODULE}:handbook_features")
    assert len(handbook) == 15 and list(FEATURES)[:15] == list(handbook)


def test_the_graph_computes_what_the_table_holds(history: pd.DataFrame) -> None:
    expected = in_table(history)
    builder = Builder()
    outputs = [compile_number(builder, n, f.expression) for n, f in FEATURES.items()]
    graph = helper.make_graph(
        builder.nodes,
        "features",
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["N"]) for n in builder.columns],
        [
            helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["N"])
            for n in dict.fromkeys(outputs)
        ],
        builder.constants,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS]
    session = open_session(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION))
    feeds = {n: history[n].to_numpy(dtype=np.float64, na_value=np.nan) for n in builder.columns}
    found: dict[str, Any] = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)
    )
    for name, output in zip(FEATURES, outputs, strict=True):
        values = feeds[output] if output in feeds else found[output]
        np.testing.assert_array_equal(values, expected[name].to_numpy(), err_msg=name)


def test_every_feature_is_a_double_that_says_something(history: pd.DataFrame) -> None:
    made = in_table(history)
    assert (made.dtypes == "float64").all()
    assert (made.nunique() > 1).all()
    assert np.isfinite(made.to_numpy()[made.notna().to_numpy()]).all()
    assert (
        made[["amount", "weekend", "night", "card_mean_1d", "terminal_risk_30d"]]
        .notna()
        .all()
        .all()
    )


def test_reasons_are_columns_that_the_feature_reads() -> None:
    for name, read in reads(FEATURES).items():
        assert FEATURES[name].reason_column in read, name
        assert FEATURES[name].description.endswith("."), name


def test_night_and_weekend() -> None:
    assert one(time_of_day_us=7 * HOUR - 1)["night"] == 1
    assert one(time_of_day_us=7 * HOUR)["night"] == 0
    assert [one(time_of_week_us=d * DAY)["weekend"] for d in (4, 5, 6)] == [0, 1, 1]


def test_risk_is_a_share_and_nothing_without_purchases() -> None:
    row = one(terminal_frauds_7d=2, terminal_count_7d=8)
    assert row["terminal_risk_7d"] == 0.25 and row["terminal_risk_1d"] == 0


def test_an_amount_is_held_against_the_purchases_before() -> None:
    row = one(
        amount_cents=30_000,
        customer_sum_7d=30_000,
        customer_count_30d=3,
        customer_sum_30d=30_000 + 8_000 + 12_000,
        customer_squares_30d=8_000**2 + 12_000**2,
    )
    assert row["amount_times_card_30d"] == 3
    assert row["amount_deviation_30d"] == pytest.approx(20_000 / np.sqrt(2_000**2 + 100**2))
    assert pd.isna(row["amount_times_card_7d"]) and pd.isna(row["amount_deviation_7d"])


def test_distance_speed_and_an_unknown_past() -> None:
    row = one(place_x=3_000, customer_last_y=4_000, customer_since_us=HOUR // 2, pair_count_30d=1)
    assert (row["distance"], row["hours_since"], row["speed"]) == (5, 0.5, 10)
    assert row["terminal_new"] == 0
    nothing = {"customer_last_x": np.nan, "customer_last_y": np.nan, "customer_since_us": np.nan}
    assert one(**nothing)[["distance", "speed", "hours_since"]].isna().all()
