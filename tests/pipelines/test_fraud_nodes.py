"""Transactions and reports to history: contract composed, outcomes as known, online equal."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.contracts import Contract, ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.model_table import day_start
from fin_kedro.features.time_travel import LeakError
from fin_kedro.features.windows import DAY
from fin_kedro.governance.gates import GateError
from fin_kedro.pipelines.event_time import nodes
from fin_kedro.simulation.card_transactions import Simulation, simulate
from tests.conftest import ROOT
from tests.online.kinds import KINDS, redis_url

FEATURES = {"statistics": nodes.SPECIFICATION}
SPLIT = {
    "parts": {
        "train": {"from": "2018-05-15", "to": "2018-05-25"},
        "calibration": {"from": "2018-05-25", "to": "2018-05-30"},
        "test": {"from": "2018-06-06", "to": "2018-06-10"},
    },
    "delay_days": 7,
}
REPLAY = {"from": "2018-06-06", "rows": 400, "stores": ["memory:"]}
BEGINS = day_start("2018-06-06")
LATE = {
    "delay_days": 7, "late_share": 0.2, "late_days": 20, "false_alarm_share": 0.01,
    "corrected_share": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Simulation:
    settings = {
        "days": 75,
        "factor": 0.02,
        "labels": LATE,
        "arrival": {"late_share": 0.05, "late_minutes": 600},
    }
    return simulate(settings=settings, seed=3)


def tables(world: Simulation) -> tuple[Any, Any]:
    return ibis.memtable(world.transactions), ibis.memtable(world.labels)


@pytest.fixture(scope="module")
def history(world: Simulation) -> pd.DataFrame:
    return nodes.compute_history(*tables(world), FEATURES, SPLIT).execute()


# transactions


def test_the_published_transactions_can_be_asked_for() -> None:
    transactions, labels = nodes.simulate_transactions({"source": "published"})
    assert transactions.count().execute() == 1_754_155  # Handbook, chapter 3
    assert labels.filter(labels.fraud == 1).count().execute() == 14_681


def test_another_source_is_refused() -> None:
    with pytest.raises(ValueError, match="'kaggle'; allowed: rules, published"):
        nodes.simulate_transactions({"source": "kaggle"})


# the contract


def contracts() -> list[Contract]:
    folder = ROOT / "conf/base/contracts"
    return [read_contract(folder / f"{n}.odcs.yaml") for n in ("card_transactions", "fraud_labels")]


def test_the_composed_contract_has_each_column_once_in_its_role() -> None:
    made = nodes.compose_contract(*contracts(), FEATURES)
    assert (made.id.name, made.target.name, made.event) == ("transaction_id", "fraud", 1)
    assert made.time is not None and made.time.name == "known_us"
    features = [c.name for c in made.features]
    assert features[-len(fraud_statistics.names) :] == fraud_statistics.names
    assert "amount_cents" in features and "customer_id" not in features


def test_only_what_may_be_missing_may_be_missing() -> None:
    made = nodes.compose_contract(*contracts(), FEATURES)
    optional = {c.name for c in made.features if not c.required}
    assert optional == {s.name for s in fraud_statistics.statistics if not s.adds}


def test_each_feature_can_be_given_as_a_reason() -> None:
    made = nodes.compose_contract(*contracts(), FEATURES)
    assert all(c.reason and c.reason_code for c in made.features)


def test_a_specification_that_is_none_is_refused() -> None:
    with pytest.raises(ContractError, match="features.statistics .*is no EventFeatures"):
        nodes.compose_contract(
            *contracts(), {"statistics": "fin_kedro.features.fraud_columns:fraud_features"}
        )


# reports


LABELS = read_contract(ROOT / "conf/base/contracts/fraud_labels.odcs.yaml")


def quarantined(
    world: Simulation, labels: pd.DataFrame, largest_share: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    accepted, broken, report = nodes.quarantine_broken_labels(
        ibis.memtable(labels), LABELS, ibis.memtable(world.transactions), FEATURES,
        {"largest_share": largest_share},
    )  # fmt: skip
    return accepted.execute(), broken.execute(), report


def test_a_report_known_before_its_transaction_goes_to_the_quarantine(world: Simulation) -> None:
    happened = world.transactions.set_index("transaction_id")["event_us"]
    labels = world.labels.copy()
    early, just = labels.index[3], labels.index[5]
    labels.loc[early, "known_us"] = happened[labels.loc[early, "transaction_id"]] - 1
    labels.loc[just, "known_us"] = happened[labels.loc[just, "transaction_id"]]
    labels.loc[labels.index[7], "fraud"] = 2
    accepted, broken, report = quarantined(world, labels)
    reasons = dict(zip(broken["label_id"], broken["reason"], strict=True))
    assert reasons == {
        labels.loc[early, "label_id"]: "known before the transaction happened",
        labels.loc[labels.index[7], "label_id"]: (
            "fraud: 2 is not allowed (0 (genuine, after all), 1 (fraud))"
        ),
    }
    kept = labels.drop(index=[early, labels.index[7]]).sort_values("label_id")
    assert accepted["label_id"].tolist() == kept["label_id"].tolist()
    assert list(accepted) == list(LABELS.columns)
    assert report["quarantined"] == 2 and sum(report["by_reason"].values()) == 2


def test_a_report_on_a_transaction_outside_the_extract_is_kept(world: Simulation) -> None:
    labels = world.labels.copy()
    labels.loc[labels.index[0], "transaction_id"] = 10**12
    accepted, broken, _ = quarantined(world, labels)
    assert broken.empty
    assert 10**12 in set(accepted["transaction_id"])


def test_too_many_impossible_reports_stop_the_run(world: Simulation) -> None:
    labels = world.labels.assign(known_us=1_000_000_000_000_000)
    with pytest.raises(ContractError, match=r"break the contract.*known before the transaction"):
        quarantined(world, labels, largest_share=0.01)


# outcomes


def outcome(reports: pd.DataFrame, until: int | None) -> set[int]:
    """Transactions whose latest report before a moment says fraud, the slow and obvious way."""
    known: dict[int, int] = {}
    for row in reports.sort_values(["known_us", "label_id"]).itertuples():
        if until is None or row.known_us < until:
            known[row.transaction_id] = row.fraud
    return {transaction for transaction, fraud in known.items() if fraud}


def test_rows_carry_the_outcome_as_known_when_they_are_used(
    world: Simulation, history: pd.DataFrame
) -> None:
    before = history["known_us"] < BEGINS
    bad = history["fraud"] == 1
    early, final = outcome(world.labels, BEGINS), outcome(world.labels, None)
    assert set(history.loc[before & bad, "transaction_id"]) == early & set(
        history.loc[before, "transaction_id"]
    )
    assert set(history.loc[~before & bad, "transaction_id"]) == final - set(
        history.loc[before, "transaction_id"]
    )
    learned_otherwise = early ^ (final & set(history.loc[before, "transaction_id"]))
    assert learned_otherwise, "this world must have reports that come, or go, after the test began"


def test_history_has_every_transaction_once_in_order(
    world: Simulation, history: pd.DataFrame
) -> None:
    assert history["transaction_id"].tolist() == sorted(world.transactions["transaction_id"])


# proofs


def test_no_row_before_a_moment_changes_without_its_future(world: Simulation) -> None:
    found = nodes.travel_in_time(*tables(world), FEATURES, {"days": ["2018-06-06"]})
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

    honest = nodes.offline
    monkeypatch.setattr(nodes, "offline", leaky)
    with pytest.raises(LeakError, match="customer_count_30d"):
        nodes.travel_in_time(*tables(world), FEATURES, {"days": ["2018-06-06"]})


def test_a_journey_outside_the_data_is_refused(world: Simulation) -> None:
    with pytest.raises(ValueError, match=r"time_travel.days names 2020-01-01.*inside the data"):
        nodes.travel_in_time(*tables(world), FEATURES, {"days": ["2020-01-01"]})


@pytest.mark.parametrize("kind", KINDS)
def test_the_replay_finds_no_difference(
    kind: str, world: Simulation, history: pd.DataFrame
) -> None:
    store = redis_url() if kind == "redis" else f"{kind}:"
    found = nodes.replay_online(
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
        nodes.replay_online(*tables(world), ibis.memtable(wrong), FEATURES, REPLAY)


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
    found = nodes.replay_online(
        *tables(world), ibis.memtable(history), FEATURES, {**REPLAY, "rows": 10**6}
    )["memory"]
    assert found["rows"] == (history["known_us"] >= BEGINS).sum()
    counted = out_of_order(world)
    assert min(counted.values()) > 5 and counted.items() <= found.items()
