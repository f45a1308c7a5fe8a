"""From a validated fraud candidate to a live transaction judged over HTTP, as a person types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.history import offline
from fin_kedro.features.windows import HOUR
from fin_kedro.governance.ledger import Ledger
from fin_kedro.serving.scorer import Scorer
from tests.conftest import kedro
from tests.end_to_end.evidence import ledger_events, newest, read_json
from tests.end_to_end.services import post, serving

pytestmark = pytest.mark.slow

LEDGER = "data/governance/ledger.sqlite"


@pytest.fixture(scope="module")
def project(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project whose fraud candidate is approved and released, its state warm."""
    target = tmp_path_factory.mktemp("fraud") / "project"
    shutil.copytree(trained, target, symlinks=True)
    for command in (
        ("approve", "fraud", "--role", "model_validator", "--comment", "read the whole report",
         "--by", "Ada Byron", "--env", "ci"),
        ("state", "warm", "fraud", "--env", "ci"),
    ):  # fmt: skip
        done = kedro(target, *command)
        assert done.returncode == 0, done.stderr
    return target


def table(project: Path, name: str) -> pd.DataFrame:
    found = pd.read_parquet(newest(project / f"data/02_intermediate/fraud/{name}.parquet"))
    assert isinstance(found, pd.DataFrame)
    return found


def purchases(transactions: pd.DataFrame) -> list[dict[str, Any]]:
    """New purchases of the last card seen: one, two and four hours after its last one."""
    last = transactions.sort_values("known_us").iloc[-1].to_dict()
    first = int(transactions["transaction_id"].max()) + 1
    rows = [
        {**last, "event_us": last["event_us"] + n * HOUR, "known_us": last["known_us"] + n * HOUR,
         "transaction_id": first + n} for n in (1, 2, 4)
    ]  # fmt: skip
    return [{name: int(value) for name, value in row.items()} for row in rows]


def expected_history(
    transactions: pd.DataFrame, labels: pd.DataFrame, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What the offline definition says of new rows, computed together with all before."""
    whole = pd.concat([transactions, pd.DataFrame(rows)], ignore_index=True)
    ids = [row["transaction_id"] for row in rows]
    computed = offline(fraud_statistics, ibis.memtable(whole), ibis.memtable(labels))
    found = computed.filter(computed.transaction_id.isin(ids)).execute().set_index("transaction_id")
    return [
        {n: None if pd.isna(v := found.loc[i, n]) else int(v) for n in fraud_statistics.names}
        for i in ids
    ]


def test_an_approved_and_released_model_judges_a_live_transaction(project: Path) -> None:
    released = kedro(project, "release", "fraud", "--env", "ci")
    assert released.returncode == 0, released.stderr
    events = ledger_events(project / LEDGER, "fraud")
    assert events == ["registered", "validated", "approved", "released"]

    transactions, labels = (
        table(project, "accepted_transactions"),
        table(project, "accepted_labels"),
    )
    *rows, later = purchases(transactions)
    with serving(project, released.stdout.rstrip().splitlines()[-1].strip()) as url:
        answer = post(f"{url}/score", {"transactions": rows, "explain": True})
        again = post(f"{url}/score", {"transactions": rows, "explain": True})
        report = {
            "label_id": int(labels["label_id"].max()) + 1, "fraud": 1,
            "transaction_id": rows[0]["transaction_id"], "known_us": rows[1]["known_us"] + HOUR,
        }  # fmt: skip
        learned = post(f"{url}/labels", {"labels": [report]})
        warned = post(f"{url}/score", {"transactions": [later], "explain": True})
        typed = kedro(project, "score", "fraud", "--url", url)
    assert typed.returncode == 0, typed.stderr
    assert json.loads(typed.stdout)["decisions"][0]["model"]["workflow"] == "fraud"
    assert again == answer, "a transaction sent twice counts once"
    assert learned["labels"][0]["learned"] is True

    decisions = answer["decisions"]
    histories = [decision["history"] for decision in decisions]
    assert histories == expected_history(transactions, labels, rows)
    told = pd.concat([labels, pd.DataFrame([report])], ignore_index=True)
    [seen_since] = [decision["history"] for decision in warned["decisions"]]
    assert seen_since == expected_history(transactions, told, [*rows, later])[-1]
    before = histories[0]["customer_known_frauds_30d"]
    assert seen_since["customer_known_frauds_30d"] == before + 1, "the report counts from now on"
    (entry,) = Ledger(project / LEDGER).entries(event="registered", workflow="fraud")
    package = Ledger(project / LEDGER).resolve(entry.event["package"])
    scorer = Scorer.from_package(package, expected_digest=entry.event["digest"])
    seen = [{**row, **history} for row, history in zip(rows, histories, strict=True)]
    probabilities = scorer.probabilities(seen)
    for decision, probability in zip(decisions, probabilities, strict=True):
        assert decision["probability"] == pytest.approx(float(probability), abs=1e-6)
        risky = decision["probability"] >= decision["threshold"]
        assert decision["decision"] == ("block" if risky else "allow")
        assert decision["reasons"] and all(reason["text"] for reason in decision["reasons"])
        assert decision["model"]["digest"] == entry.event["digest"]
        assert decision["model"]["version"] == entry.event["version"] == "1"
    golden = json.loads((package / "decision.json").read_text())
    assert decisions[0]["threshold"] == pytest.approx(golden["threshold"])


def test_the_replay_is_a_pipeline_and_a_search_is_a_parameter(project: Path) -> None:
    """As the documents type them; `--pipeline` is Kedro's older word, and still understood."""
    search = ("--params", "fraud.champion.search.trials=2")
    for command in (
        ("--pipeline", "fraud_parity"),
        ("--pipelines", "fraud", "--nodes", "fraud.train_champion", *search),
    ):
        done = kedro(project, "run", "--env", "ci", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    replayed = read_json(project / "data/08_reporting/fraud/online_parity.json")
    assert {store: found["differences"] for store, found in replayed.items()} == {
        "memory": 0,
        "log": 0,
    }
    trials = pd.read_csv(newest(project / "data/06_models/fraud/champion_trials.csv"))
    assert len(trials) == 2 and trials["average_precision"].is_monotonic_decreasing
