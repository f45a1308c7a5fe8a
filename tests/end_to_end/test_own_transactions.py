"""Real transactions come in by contract and conf only (docs/own-data.md); nothing is simulated."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fin_kedro.simulation.card_transactions import simulate
from tests.conftest import ROOT, copy_project, kedro

EXAMPLE = ROOT / "docs/examples/own_transactions"
WORLD = {"start": "2019-01-01", "days": 80, "factor": 0.05}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with another world's transactions, three of them broken, run to its model table."""
    project = copy_project(tmp_path_factory.mktemp("own") / "project")
    shutil.copytree(EXAMPLE, project / "conf/own")
    made = simulate(settings=WORLD, seed=5)
    transactions = made.transactions
    transactions.loc[:2, "amount_cents"] = -1
    transactions.to_parquet(project / "data/01_raw/own_transactions.parquet")
    made.labels.to_csv(project / "data/01_raw/own_reports.csv", index=False)
    result = kedro(
        project, "run", "--env", "own", "--pipelines", "fraud",
        "--to-nodes", "fraud.build_model_table,fraud.travel_in_time,fraud.replay_online",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return project


def newest(project: Path, name: str) -> Path:
    return sorted((project / "data/own").rglob(f"{name}/*/{name}"))[-1]


def test_no_line_of_python_changes(own: Path) -> None:
    compared = filecmp.dircmp(ROOT / "src", own / "src", ignore=["__pycache__"])
    assert not compared.diff_files and not compared.right_only


def test_nothing_was_simulated(own: Path) -> None:
    assert not list((own / "data").rglob("01_simulated"))


def test_broken_transactions_are_set_aside_with_a_reason(own: Path) -> None:
    broken = pd.read_parquet(newest(own, "quarantine.parquet"))
    assert broken["transaction_id"].tolist() == [0, 1, 2]
    assert broken["reason"].str.startswith("amount_cents: -1 is not allowed").all()


def test_the_parts_are_the_days_asked_for(own: Path) -> None:
    table = pd.read_parquet(newest(own, "model_table.parquet"))
    day = pd.to_datetime(table["keep__known_us"], unit="us").dt.strftime("%Y-%m-%d")
    first = day.groupby(table["part"]).min().to_dict()
    assert first == {
        "train": "2019-02-04",
        "calibration": "2019-02-18",
        "test": "2019-03-04",
        "out_of_time": "2019-03-11",
    }
    assert table["target"].sum() > 20


def test_rows_before_the_test_carry_the_outcome_as_known_when_it_begins(own: Path) -> None:
    history = pd.read_parquet(newest(own, "accepted.parquet"))
    labels = pd.read_csv(own / "data/01_raw/own_reports.csv")
    begins = pd.Timestamp("2019-03-04").value // 1000
    early = labels[labels["known_us"] < begins].sort_values(["known_us", "label_id"])
    expected = early.groupby("transaction_id")["fraud"].last()
    before = history[history["known_us"] < begins].set_index("transaction_id")["fraud"]
    assert before[before == 1].index.sort_values().tolist() == [
        i for i in expected[expected == 1].index.sort_values() if i in before.index
    ]
