"""A planted leak and a number that differs online stop the run."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.time_travel import LeakError
from fin_kedro.features.windows import DAY
from fin_kedro.governance.gates import GateError
from fin_kedro.pipelines.event_time import proofs
from fin_kedro.simulation.card_transactions import Simulation
from tests.online.kinds import KINDS, redis_url
from tests.pipelines.event_time.bank import BEGINS, FEATURES, REPLAY, tables


def test_no_row_before_a_moment_changes_without_its_future(world: Simulation) -> None:
    found = proofs.travel_in_time(*tables(world), FEATURES, {"days": ["2018-06-06"]})
    known = world.transactions["known_us"]
    since = BEGINS - fraud_statistics.horizon_us
    assert found["journeys"] == [
        {"day": "2018-06-06", "rows": int(((known >= since) & (known < BEGINS)).sum())}
    ]


def test_a_planted_leak_stops_the_run(world: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(features: Any, transactions: Any, labels: Any) -> Any:
        whole = ibis.window(group_by="customer_id")
        made = honest(features, transactions, labels)
        return made.mutate(customer_count_30d=made.transaction_id.count().over(whole))

    honest = proofs.offline
    monkeypatch.setattr(proofs, "offline", leaky)
    with pytest.raises(LeakError, match="customer_count_30d"):
        proofs.travel_in_time(*tables(world), FEATURES, {"days": ["2018-06-06"]})


def test_a_journey_outside_the_data_is_refused(world: Simulation) -> None:
    with pytest.raises(ValueError, match=r"time_travel.days names 2020-01-01.*inside the data"):
        proofs.travel_in_time(*tables(world), FEATURES, {"days": ["2020-01-01"]})


@pytest.mark.parametrize("kind", KINDS)
def test_the_replay_finds_no_difference(
    kind: str, world: Simulation, history: pd.DataFrame
) -> None:
    store = redis_url() if kind == "redis" else f"{kind}:"
    found = proofs.replay_online(
        *tables(world), ibis.memtable(history), FEATURES, {**REPLAY, "stores": [store]}
    )
    outcome = found[kind]
    assert outcome["differences"] == 0 and outcome["rows"] >= 390 and outcome["warmed"] > 1000
    assert set(outcome["by_column"]) == set(fraud_statistics.names)
    assert min(outcome[name] for name in ("late_rows", "late_labels", "corrections")) > 0


def test_one_number_that_differs_stops_the_run(world: Simulation, history: pd.DataFrame) -> None:
    wrong = history.copy()
    row = wrong.index[wrong["known_us"] >= BEGINS][5]
    wrong.loc[row, "customer_sum_7d"] += 1
    with pytest.raises(GateError, match="customer_sum_7d"):
        proofs.replay_online(*tables(world), ibis.memtable(wrong), FEATURES, REPLAY)


def out_of_order(world: Simulation) -> dict[str, int]:
    """What came late or was taken back from the test's first moment on, the slow way."""
    rows = world.transactions.set_index("transaction_id")
    end = rows["known_us"].max()
    late = rows[(rows["known_us"] > rows["event_us"]) & (rows["known_us"] >= BEGINS)]
    counts = {"late_rows": len(late), "late_labels": 0, "corrections": 0}
    labels = world.labels.sort_values(["known_us", "label_id"])
    for transaction, told in labels.groupby("transaction_id"):
        said = told["fraud"].tolist()
        for place, known in enumerate(told["known_us"]):
            if not BEGINS <= known <= end:
                continue
            if place:
                counts["corrections"] += said[place] != said[place - 1]
            else:
                counts["late_labels"] += known > rows.loc[transaction, "event_us"] + 7 * DAY
    return counts


def test_a_replay_longer_than_the_data_takes_what_there_is_and_counts_what_is_out_of_order(
    world: Simulation, history: pd.DataFrame
) -> None:
    found = proofs.replay_online(
        *tables(world), ibis.memtable(history), FEATURES, {**REPLAY, "rows": 10**6}
    )["memory"]
    assert found["rows"] == (history["known_us"] >= BEGINS).sum()
    counted = out_of_order(world)
    assert min(counted.values()) > 5 and counted.items() <= found.items()
