"""To history: the contract is composed, reports are quarantined, outcomes are as known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.contracts import Column, Contract, ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.pipelines.event_time.history import (
    compose_contract,
    compute_history,
    quarantine_broken_labels,
)
from fin_kedro.simulation.card_transactions import Simulation
from tests.conftest import ROOT
from tests.pipelines.event_time.bank import BEGINS, FEATURES, SPLIT


def contracts() -> list[Contract]:
    folder = ROOT / "conf/base/contracts"
    return [read_contract(folder / f"{n}.odcs.yaml") for n in ("card_transactions", "fraud_labels")]


def test_the_composed_contract_has_each_column_once_in_its_role() -> None:
    made = compose_contract(*contracts(), FEATURES)
    assert (made.id.name, made.target.name, made.event) == ("transaction_id", "fraud", 1)
    assert made.time is not None and made.time.name == "known_us"
    features = [c.name for c in made.features]
    assert features[-len(fraud_statistics.names) :] == fraud_statistics.names
    assert "amount_cents" in features and "customer_id" not in features


def test_only_what_may_be_missing_may_be_missing() -> None:
    made = compose_contract(*contracts(), FEATURES)
    optional = {c.name for c in made.features if not c.required}
    assert optional == {s.name for s in fraud_statistics.statistics if not s.adds}


def test_each_feature_can_be_given_as_a_reason() -> None:
    made = compose_contract(*contracts(), FEATURES)
    assert all(c.reason and c.reason_code for c in made.features)


def test_a_specification_that_is_none_is_refused() -> None:
    with pytest.raises(ContractError, match="features.statistics .*is no EventFeatures"):
        compose_contract(
            *contracts(), {"statistics": "fin_kedro.features.fraud_columns:fraud_features"}
        )


LABELS = read_contract(ROOT / "conf/base/contracts/fraud_labels.odcs.yaml")


def quarantined(
    world: Simulation, labels: pd.DataFrame, largest_share: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    accepted, broken, report = quarantine_broken_labels(
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


OURS = ("report_us", "place", "happened", "early_fraud", "self", "_told", "_0_moment", "row")


def test_columns_of_a_bank_may_be_called_as_those_made_on_the_way(
    world: Simulation, history: pd.DataFrame
) -> None:
    places = range(len(world.transactions))
    wide = world.transactions.copy()
    wide[list(OURS)] = [[place] * len(OURS) for place in places]
    told = world.labels.assign(final_fraud=7, reason="r")
    made = compute_history(ibis.memtable(wide), ibis.memtable(told), FEATURES, SPLIT).execute()
    pd.testing.assert_frame_equal(made[list(history)], history)
    own = wide.set_index("transaction_id").loc[made["transaction_id"]]
    assert all(made[name].tolist() == own[name].tolist() for name in OURS)
    assert set(made["final_fraud"].dropna()) == {7}


def test_a_report_may_have_a_reason_and_a_moment_of_its_own(world: Simulation) -> None:
    names = ("reason", "happened")
    extra = {name: Column(name=name, type="string") for name in names}
    contract = replace(LABELS, columns={**LABELS.columns, **extra})
    labels = world.labels.assign(reason="theirs", happened="then")
    labels.loc[labels.index[0], "known_us"] = 1_000_000_000_000_000
    accepted, broken, report = quarantine_broken_labels(
        ibis.memtable(labels), contract, ibis.memtable(world.transactions), FEATURES,
        {"largest_share": 1.0},
    )  # fmt: skip
    assert list(accepted.columns) == [*contract.columns]
    (row,) = broken.execute().to_dict("records")
    assert (row["reason"], row["happened"]) == ("theirs", "then")
    assert row["fin_kedro__reason"] == "known before the transaction happened"
    assert report["by_reason"] == {"known before the transaction happened": 1}


def test_a_column_of_both_tables_is_refused(world: Simulation) -> None:
    transactions, labels = contracts()
    twin = Column(name="Amount_Cents", type="integer")
    labels = replace(labels, columns={**labels.columns, twin.name: twin})
    with pytest.raises(ContractError, match="Amount_Cents of the labels and amount_cents of"):
        compose_contract(transactions, labels, FEATURES)
