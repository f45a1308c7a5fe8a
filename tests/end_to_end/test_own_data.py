"""Own data by conf alone (docs/own-data.md): a third workflow, and credit on another table."""

from __future__ import annotations

import filecmp
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from fin_kedro.serving.scorer import Decision, Refused, Scorer
from tests.conftest import ROOT, copy_project, kedro
from tests.end_to_end.evidence import ledger_events, newest, read_json
from tests.end_to_end.loan_requests import (
    EXAMPLE,
    OCCUPATIONS,
    WORKFLOW,
    install_workflow,
    make_requests,
)

pytestmark = pytest.mark.slow

GOOD = {
    "requested_on": "2026-03-02",
    "customer_since": "2012-02-29",
    "monthly_income": 5200.0,
    "years_employed": 14,
    "debt_share": 0.05,
    "late_payments": 0,
    "has_savings": True,
    "purpose": "home",
    "occupation": str(OCCUPATIONS[0]),
}
FEATURES = set(GOOD) - {"requested_on"}
APPROVE = ("--by", "Ada Byron", "--role", "model_validator", "--comment", "read the whole report")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the documented third workflow ran, and credit to its model table."""
    project = install_workflow(copy_project(tmp_path_factory.mktemp("own") / "project"))
    ends = "loans.enforce_gates,loans.draw_figures,credit.build_model_table"
    result = kedro(project, "run", "--env=own", "--pipelines=loans,credit", f"--to-nodes={ends}")
    assert result.returncode == 0, result.stdout + result.stderr
    (project / "run.txt").write_text(result.stdout + result.stderr)
    return project


@pytest.fixture(scope="module")
def reports(own: Path) -> Path:
    return own / "data/own/08_reporting/loans"


@pytest.fixture(scope="module")
def scorer(own: Path) -> Scorer:
    (registered,) = own.glob("data/own/06_models/loans/package/*/registered.json")
    digest = json.loads(registered.read_text())["digest"]
    return Scorer.from_package(registered.parent / "package", expected_digest=digest)


def test_no_line_of_python_changes(own: Path) -> None:
    compared = filecmp.dircmp(ROOT / "src", own / "src", ignore=["__pycache__"])
    assert not compared.diff_files and not compared.right_only
    assert {path.name for path in (own / "bentos").iterdir()} == {"static", "event_time"}
    examples = [*EXAMPLE.rglob("*"), *WORKFLOW.rglob("*")]
    assert {file.suffix for file in examples} == {".yml", ".yaml"}


def test_a_third_workflow_takes_as_many_lines_as_the_page_says() -> None:
    """Its contract aside, which says what the columns mean."""
    lines = [line.strip() for file in WORKFLOW.iterdir() for line in file.read_text().splitlines()]
    count = len([line for line in lines if line and not line.startswith("#")])
    assert f"{count} lines" in (ROOT / "docs/own-data.md").read_text()


def test_one_entry_of_the_catalog_is_replaced_by_its_name(own: Path) -> None:
    """Credit on the same table, by the example that names its entries."""
    report = read_json(own / "data/own/08_reporting/credit/contract_report.json")
    assert (report["contract"], report["rows"], report["quarantined"]) == ("loan_requests", 6000, 4)
    assert set(read_json(own / "data/own/05_model_input/credit/features.json")) == FEATURES


def test_every_stage_left_its_result_under_the_environments_own_folder(own: Path) -> None:
    made = {path.name for path in (own / "data").iterdir()}
    assert made == {"01_raw", "own"}
    assert ledger_events(own / "data/own/governance/ledger.sqlite", "loans") == [
        "registered",
        "validated",
    ]
    text = (own / "run.txt").read_text()
    assert "4 of 6000 rows quarantined (contract loan_requests 1.0.0)" in text
    assert "kedro approve loans --env own" in text


def test_rows_that_break_the_contract_are_set_aside(reports: Path) -> None:
    report = read_json(reports / "contract_report.json")
    assert report["quarantined"] == 4
    assert any(
        reason.startswith("purpose: rocket is not allowed") for reason in report["by_reason"]
    )
    assert any(reason.startswith("late_payments: -4") for reason in report["by_reason"])


def test_metrics_hold_out_of_time(reports: Path) -> None:
    metrics = read_json(reports / "metrics.json")
    assert set(metrics) == {"test", "out_of_time"}
    assert metrics["out_of_time"]["champion"]["auc"]["value"] > 0.75


def test_fairness_is_judged_for_string_and_number_attributes(reports: Path) -> None:
    codes = {v["code"]: v["status"] for v in read_json(reports / "verdicts.json")["verdicts"]}
    assert codes["FAI-AIR-GENDER"] in ("pass", "attention")
    assert codes["FAI-AIR-AGE"] in ("pass", "attention")
    assert "STA-SCORE-OUT_OF_TIME" in codes
    html = newest(reports / "model_validation.html").read_text(encoding="utf-8")
    assert "diverse" in html and "missing" in html


def test_no_protected_or_ignored_column_is_a_feature(own: Path) -> None:
    features = read_json(own / "data/own/05_model_input/loans/features.json")
    assert set(features) == FEATURES
    assert features["customer_since"]["reads"] == ["customer_since", "requested_on"]


def test_a_day_is_a_feature_by_its_age_when_the_row_was(own: Path) -> None:
    """The days of the table by pandas, from the raw file."""
    raw = make_requests().set_index("request_no")
    (table,) = (own / "data/own/05_model_input/loans").glob("model_table.parquet/*/*.parquet")
    made = pd.read_parquet(table).set_index("entity_id")
    since = raw["customer_since"].mask(raw["customer_since"] == "1900-01-01")
    days = (raw["requested_on"] - since).dt.days.astype(float)
    pd.testing.assert_series_equal(
        made["customer_since"], days[made.index], check_names=False, check_index_type=False
    )
    assert made["customer_since"].isna().mean() > 0.1


def test_the_age_is_counted_at_the_day_in_the_request(scorer: Scorer) -> None:
    """The same days before the request give the same answer, whatever the calendar says."""
    shifted = {**GOOD, "requested_on": "2027-03-02", "customer_since": "2013-02-28"}  # 5,115 days
    unknown = [{**GOOD, "customer_since": value} for value in (None, "1900-01-01")]
    *decisions, refused, wrong = scorer.score(
        [GOOD, shifted, *unknown, {**GOOD, "requested_on": None}, {**GOOD, "customer_since": 7}]
    )
    found = [item.probability for item in decisions if isinstance(item, Decision)]
    assert found[0] == found[1] and found[2] == found[3]
    assert isinstance(refused, Refused) and refused.field == "requested_on"
    assert isinstance(wrong, Refused) and wrong.message == "customer_since must be of type date"


def test_categories_are_target_statistics_and_one_hot(own: Path) -> None:
    champion = read_json(own / "data/own/06_models/loans/champion.json")
    assert set(champion["nominal"]) == {"purpose", "occupation"}
    assert champion["model"]["ctr_data"], "no target statistics: occupation was not used as one"


def test_parity_of_the_graphs(reports: Path) -> None:
    for figures in read_json(reports / "parity.json").values():
        assert figures["max_abs_diff"] <= 1e-5
        assert figures["decisions_differ"] == 0
        assert figures["rows"] > 800


def test_graph_and_python_model_agree_on_unseen_missing_and_coded_values(own: Path) -> None:
    """Rows no training row looked like: the whole raw-to-probability path, twice."""
    import onnx

    from fin_kedro.contracts.reading import read_contract
    from fin_kedro.models.graph import score_frame
    from fin_kedro.pipelines.training.assemble import python_probability

    contract = read_contract(own / "conf/own/contracts/loan_requests.odcs.yaml")
    rows = pd.DataFrame([GOOD] * 8).astype(
        {"late_payments": "float64", "years_employed": "float64"}
    )
    rows.loc[1, "occupation"] = "astronaut"
    rows.loc[2, "occupation"] = None
    rows.loc[3, "occupation"] = "n/a"
    rows.loc[4, ["monthly_income", "years_employed", "late_payments"]] = -9
    rows.loc[5, ["monthly_income", "years_employed", "debt_share"]] = math.nan
    rows.loc[6, "purpose"] = "auto"
    rows.loc[7, "purpose"] = "car"
    rows.loc[1, "customer_since"], rows.loc[2, "customer_since"] = "1900-01-01", None
    rows.loc[3, "customer_since"] = None
    models, features = own / "data/own/06_models/loans", own / "data/own/05_model_input/loans"
    calibrations = read_json(models / "calibrations.json")
    for name in ("champion", "scorecard"):
        expected = python_probability(
            rows, contract, read_json(features / "features.json"), {"definitions": None},
            read_json(models / f"{name}.json"), calibrations[name],
        )  # fmt: skip
        found, _ = score_frame(onnx.load(str(newest(models / f"{name}.onnx"))), rows)
        assert abs(found - expected).max() <= 1e-5, name
        assert found[2] == found[3], f"{name}: 'n/a' means missing"
        assert found[6] == found[7], f"{name}: auto is read as car"


def test_the_scorer_answers_strings_nulls_and_codes(scorer: Scorer) -> None:
    rows: list[Mapping[str, Any]] = [
        GOOD,
        {**GOOD, "occupation": None, "monthly_income": None},
        {**GOOD, "occupation": "n/a", "monthly_income": -9},
        {**GOOD, "occupation": "astronaut", "late_payments": -9, "years_employed": -9},
        {
            **GOOD,
            "late_payments": 4,
            "has_savings": False,
            "monthly_income": 900.0,
            "debt_share": 0.7,
        },
        {**GOOD, "late_payments": None},
    ]
    *scored, refused = scorer.score(rows)
    assert all(isinstance(item, Decision) and 0 < item.probability < 1 for item in scored)
    assert scored[1].probability == scored[2].probability
    assert scored[0].decision == "approve"
    assert scored[4].decision == "decline"
    assert scored[4].reasons[0].text.endswith(".") is False
    assert {reason.code for reason in scored[4].reasons} >= {"LATE"}
    assert isinstance(refused, Refused) and refused.field == "late_payments"


def test_the_registered_model_predicts_rows_with_text_and_gaps(own: Path, scorer: Scorer) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{own}/data/own/mlflow/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/loans@candidate")
    rows = make_requests(rows=50)[list(GOOD)]
    rows["purpose"] = rows["purpose"].replace("rocket", "car")
    days = ["requested_on", "customer_since"]
    rows[days] = rows[days].apply(lambda c: c.dt.strftime("%Y-%m-%d")).astype(object)
    rows[days] = rows[days].where(rows[days].notna(), None)
    kinds = {c: "float64" for c in GOOD if c not in ("purpose", "occupation", *days)}
    found = model.predict(rows.astype(kinds))["probability"]
    plain = json.loads(rows.to_json(orient="records"))
    assert found.to_numpy() == pytest.approx(scorer.probabilities(plain), abs=1e-12)


def test_approve_with_the_environment(own: Path) -> None:
    """Last: it changes the shared project's state. docs/new-workflow.md goes on to a service."""
    other = kedro(own, "approve", "credit", *APPROVE)
    assert other.returncode == 1, "the default environment has no such model"
    assert "none is registered" in other.stderr
    approved = kedro(own, "approve", "loans", "--env", "own", *APPROVE)
    assert approved.returncode == 0, approved.stderr
    assert "kedro release loans --env own" in approved.stdout
    events = ledger_events(own / "data/own/governance/ledger.sqlite", "loans")
    assert events == ["registered", "validated", "approved"]
    assert not (own / "data/governance").exists()
