"""A small Kedro project with realistic evidence, for tests of the report and its catalog.

Real applications where the repository holds them, quick scikit-learn models, and tables written
by the conventions of the training pipeline.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).parents[2]
RAW = ROOT / "data" / "01_raw" / "credit_applications.parquet"
VERSION = "2026-01-01T00.00.00.000Z"
COSTS = {"approve_good": 1.0, "approve_bad": -3.0, "decline_good": 0.0, "decline_bad": 0.0}
SIGNS = {"LIMIT_BAL": -1, "PAY_0": 1, "PAY_2": 1, "utilisation": 1, "PAY_AMT1": -1}
NOMINAL = ("EDUCATION",)
LABELS = {
    "SEX": [[1, "male"], [2, "female"]],
    "MARRIAGE": [[1, "married"], [2, "single"], [3, "others"]],
    "AGE": [],
}
TABLES = ("model_table", "scores", "shap_values")
RECORDS = ("contract", "features", "decision_policy", "contract_report", "parity")
# What a workflow of transactions has beside: columns to measure with, and its replay.
DETECTION = {
    "cards": "keep__customer_id",
    "time": "keep__known_us",
    "amount": "keep__amount_cents",
    "kind": "keep__fraud_type",
    "k": 20,
    "false_positive_rate": 0.01,
    "costs": {"missed_fraud_share_of_amount": 1.0, "review": 200, "friction": 500},
}
WORDS = {"row": "transaction", "bad": "fraud", "refuse": "block"}
HISTORY = ("online_parity", "time_travel")


def make_project(folder: Path, *, rows: int = 6000, workflow: str = "credit") -> Path:
    """Write a project with conf and evidence of `workflow` into `folder`; its path.

    For `fraud` the applications play transactions of cards.
    """
    base = folder / "conf" / "base"
    base.mkdir(parents=True)
    (folder / "conf" / "local").mkdir()
    for name in ("policy.yml", "workflows.yml", "globals.yml"):
        shutil.copy(ROOT / "conf" / "base" / name, base / name)
    (base / "catalog_training.yml").write_text(json.dumps(_catalog(workflow)))
    evidence = make_evidence(rows=rows)
    if workflow == "fraud":
        evidence = as_transactions(**evidence)
    write_evidence(folder, workflow=workflow, version=VERSION, **evidence)
    return folder


def as_transactions(tables: dict[str, Any], records: dict[str, Any]) -> dict[str, Any]:
    """The evidence as transactions of cards: three weeks, the last one out of time."""
    number = np.arange(len(tables["model_table"]))
    bad = tables["model_table"]["target"] == 1
    late = (number % 5 == 4) & (number % 2 == 0)
    day = np.where(late, 14, 0) + number % 7 + np.where(tables["scores"]["part"] == "test", 7, 0)
    kept = {
        "keep__customer_id": number % 300,
        "keep__known_us": (17_700 + day) * 86_400_000_000,
        "keep__amount_cents": 1000 + number % 9000,
        "keep__fraud_type": np.where(bad, np.where(number % 3, "terminal", "customer"), None),
    }
    part = np.where(late, "out_of_time", tables["model_table"]["part"])
    protected = [f"protected__{name}" for name in LABELS]
    table = tables["model_table"].drop(columns=protected).assign(part=part, **kept)
    found = {
        "rows": 150_000, "warmed": 90, "labels": 7, "differences": 0, "by_column": {},
        "late_rows": 12, "late_labels": 5, "corrections": 3,
    }  # fmt: skip
    return {
        "tables": {**tables, "model_table": table, "scores": tables["scores"].assign(part=part)},
        "records": {
            **records,
            "contract": {**records["contract"], "columns": []},
            "decision_policy": {**records["decision_policy"], "words": WORDS},
            "online_parity": {"memory": found, "log": found, "redis": {**found, "rows": 3}},
            "time_travel": {"features": 37, "journeys": [{"day": "2018-06-25", "rows": 2000}]},
        },
    }


def _catalog(workflow: str) -> dict[str, Any]:
    """Versioned entries, one of them wrapped for MLflow, one validated."""
    entries: dict[str, Any] = {
        f"{workflow}.{name}": {
            "type": "pandas.ParquetDataset",
            "filepath": f"data/{workflow}/{name}.parquet",
            "versioned": True,
        }
        for name in TABLES
    }
    entries[f"{workflow}.scores"]["validator"] = {"type": "no.such.Validator"}
    for name in (*RECORDS, *(HISTORY if workflow == "fraud" else ())):
        entries[f"{workflow}.{name}"] = {
            "type": "json.JSONDataset",
            "filepath": f"data/{workflow}/{name}.json",
            "versioned": True,
        }
    entries[f"{workflow}.parity"] = {
        "type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset",
        "dataset": entries[f"{workflow}.parity"],
    }
    return entries


def write_evidence(
    folder: Path, *, workflow: str, version: str, tables: dict[str, Any], records: dict[str, Any]
) -> None:
    """Write one version of every dataset where Kedro's versioned datasets look for it."""
    for name, table in tables.items():
        path = folder / "data" / workflow / f"{name}.parquet" / version / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        table.to_parquet(path, index=False)
    for name, record in records.items():
        path = folder / "data" / workflow / f"{name}.json" / version / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))


def make_evidence(*, rows: int) -> dict[str, Any]:
    """Tables and records of one run on `rows` applications."""
    raw = _applications(rows)
    features = pd.DataFrame(
        {name: raw[name].astype(float) for name in (*SIGNS, "AGE") if name in raw}
    )
    features = features.drop(columns="AGE")
    features["utilisation"] = raw["BILL_AMT1"] / raw["LIMIT_BAL"]
    features["EDUCATION"] = raw["EDUCATION"].astype(str)
    part = np.array(["train", "test", "calibration", "test", "train"])[np.arange(rows) % 5]
    keys = pd.DataFrame(
        {"entity_id": raw["ID"].astype(str), "target": raw["DEFAULT"], "part": part}
    )
    protected = raw[list(LABELS)].add_prefix("protected__")
    table = pd.concat([keys, protected, features], axis=1)
    scores, shap = _scores(table, features)
    return {
        "tables": {"model_table": table, "scores": scores, "shap_values": shap},
        "records": _records(list(features), rows),
    }


def _applications(rows: int) -> pd.DataFrame:
    """Real applications when the repository holds them, else drawn ones with the same columns."""
    files = sorted(RAW.rglob("*.parquet")) if RAW.is_dir() else [RAW] if RAW.is_file() else []
    if files:
        return pd.read_parquet(files[-1]).head(rows).reset_index(drop=True)
    rng = np.random.default_rng(1)
    delay = rng.integers(-2, 5, (rows, 2))
    odds = -2 + 0.6 * delay[:, 0] + rng.normal(size=rows)
    return pd.DataFrame(
        {
            "ID": np.arange(1, rows + 1),
            "LIMIT_BAL": rng.integers(1, 80, rows) * 10_000,
            "EDUCATION": rng.integers(1, 5, rows),
            "SEX": rng.integers(1, 3, rows),
            "MARRIAGE": rng.choice([1, 2, 3], rows, p=[0.45, 0.54, 0.01]),
            "AGE": rng.integers(21, 75, rows),
            "PAY_0": delay[:, 0],
            "PAY_2": delay[:, 1],
            "BILL_AMT1": rng.integers(0, 200_000, rows),
            "PAY_AMT1": rng.integers(0, 20_000, rows),
            "DEFAULT": (rng.uniform(size=rows) < expit(odds)).astype(int),
        }
    )


def _scores(table: pd.DataFrame, features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of a boosted champion and a logistic scorecard, and additive contributions."""
    x = features.drop(columns=list(NOMINAL))
    train = (table["part"] == "train").to_numpy()
    target = table["target"].to_numpy()
    constraints = [SIGNS.get(name, 0) for name in x.columns]
    champion = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, learning_rate=0.1, monotonic_cst=constraints, random_state=1
    ).fit(x[train], target[train])
    scorecard = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[train], target[train])
    probability = np.clip(champion.predict_proba(x)[:, 1], 1e-6, 1 - 1e-6)
    simple = np.clip(scorecard.predict_proba(x)[:, 1], 1e-6, 1 - 1e-6)
    scores = table[["entity_id", "part", "target"]].assign(
        champion_probability=probability,
        scorecard_probability=simple,
        champion_log_odds=logit(probability),
        scorecard_log_odds=logit(simple),
        decision=np.where(probability >= 0.25, "decline", "approve"),
    )
    return scores, _contributions(table, features, logit(probability))


def _contributions(table: pd.DataFrame, features: pd.DataFrame, odds: np.ndarray) -> pd.DataFrame:
    """Additive contributions of the test part: a linear share each, the rest on PAY_0's sign."""
    test = (table["part"] == "test").to_numpy()
    ranks = features[test].drop(columns=list(NOMINAL)).rank(pct=True) - 0.5
    parts = pd.DataFrame({name: SIGNS[name] * 0.3 * ranks[name] for name in ranks})
    rest = odds[test] - odds[test].mean() - parts.sum(axis=1)
    parts["PAY_0"] += rest
    parts["EDUCATION"] = 0.0
    return pd.concat([table.loc[test, ["entity_id"]], parts[list(features)]], axis=1)


def _records(features: list[str], rows: int) -> dict[str, Any]:
    """The JSON datasets of one run."""
    columns = [
        {"name": name, "role": "protected", "labels": labels} for name, labels in LABELS.items()
    ]
    listing = {
        name: {"nominal": name in NOMINAL, "sign": SIGNS.get(name, 0), "reason_column": name}
        for name in features
    }
    measured = {"max_abs_diff": 3.1e-7, "decisions_differ": 0, "rows": rows * 2 // 5}
    return {
        "contract": {"name": "credit_applications", "version": "1.0.0", "columns": columns},
        "features": listing,
        "decision_policy": {"threshold": 0.25, "reasons": 4, "costs": COSTS},
        "contract_report": {"rows": rows + 3, "accepted": rows, "quarantined": 3, "by_reason": {}},
        "parity": {"champion": measured, "scorecard": measured},
    }
