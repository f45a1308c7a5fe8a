"""Generated loan applications that are hard on purpose: gaps, codes, 300 towns, unseen values."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, Pool

INPUTS = {
    "amount": "number",
    "income": "integer",
    "score": "integer",
    "town": "string",
    "job": "string",
    "education": "integer",
    "owner": "boolean",
}
SCHEMA = {
    "amount": "float64",
    "income": "int64",
    "score": "int64",
    "town": "string",
    "job": "string",
    "education": "int64",
    "owner": "boolean",
}
NOMINAL = ["town", "job", "education"]
REASON_OF = {
    "amount": "amount",
    "burden": "income",
    "income": "income",
    "score": "score",
    "town": "town",
    "job": "job",
    "education": "education",
    "owner": "owner",
}
CALIBRATION = {"method": "platt", "slope": 1.13, "intercept": -0.21}


def expressions() -> dict[str, ibis.Value]:
    t = ibis.table(SCHEMA, name="t")
    score = t.score.nullif(-999)  # a special code that means missing
    return {
        "amount": t.amount.clip(0, 400.0),
        "burden": t.amount / t.income.nullif(0),
        "income": t.income,
        "score": score,
        "town": t.town.fill_null(""),
        "job": t.job.cases(("clerk", "office"), ("typist", "office"), else_=t.job).fill_null(""),
        "education": t.education.cases((0, 4), (5, 4), else_=t.education).cast("string"),
        "owner": t.owner,
    }


def applications(rows: int = 4000, seed: int = 3, towns: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": np.round(rng.gamma(2, 90, rows), 2),
            "income": np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 90, rows)),
            "score": np.where(rng.random(rows) < 0.2, -999.0, rng.integers(300, 850, rows)),
            "town": rng.integers(0, towns, rows).astype(str),
            "job": rng.choice(["clerk", "typist", "bäcker", "pilot"], rows),
            "education": rng.integers(0, 6, rows).astype(float),
            "owner": np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 2, rows)),
        }
    )
    for name in ("town", "job"):
        frame[name] = frame[name].astype(object).mask(rng.random(rows) < 0.07, None)
    return frame


def outcome(frame: pd.DataFrame, seed: int = 5) -> np.ndarray:
    town = frame["town"].fillna("0").astype(int) % 7
    effect = frame["amount"] / 250 - frame["income"].fillna(20) / 30 + town / 4
    effect = effect - frame["score"].replace(-999, 500) / 400 + (frame["job"] == "pilot")
    draw = np.random.default_rng(seed).random(len(frame))
    return (draw < 1 / (1 + np.exp(-effect))).astype(int)


def model_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Features computed by DuckDB, in the form that CatBoost is trained on."""
    con = ibis.duckdb.connect()
    typed = {n: frame[n].astype("boolean") if n == "owner" else frame[n] for n in frame}
    con.create_table("t", ibis.memtable(pd.DataFrame(typed), schema=SCHEMA))
    t, made = con.table("t").op(), {}
    unbound = ibis.table(SCHEMA, name="t").op()
    for name, expression in expressions().items():
        made[name] = expression.op().replace({unbound: t}).to_expr()
    table = con.to_pandas(con.table("t").select(**made))
    for name in table:
        if name in NOMINAL:
            table[name] = table[name].astype(object).where(table[name].notna(), "").map(str)
        else:
            table[name] = table[name].astype("float64")
    return table


def train(table: pd.DataFrame, bad: np.ndarray, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A CatBoost model and its champion dict."""
    nominal = [name for name in NOMINAL if name in table]
    pool = Pool(table, bad, cat_features=nominal)
    defaults = {"iterations": 120, "depth": 6, "max_ctr_complexity": 1, "one_hot_max_size": 6}
    fixed = {"thread_count": 1, "verbose": 0, "allow_writing_files": False, "random_seed": 1}
    model = CatBoostClassifier(**(defaults | fixed | settings)).fit(pool)
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.json", format="json", pool=pool)
        content = json.loads(Path(folder, "model.json").read_text())
    champion = {"kind": "catboost", "features": list(table), "nominal": nominal, "model": content}
    return model, champion


def unseen(frame: pd.DataFrame) -> pd.DataFrame:
    """Applications of a stranger kind: new towns and jobs, everything missing in some rows."""
    strange = applications(len(frame), seed=11, towns=600)
    strange.loc[::5, "job"] = "astronaut"
    strange.loc[::7, ["amount", "income", "score", "education", "owner"]] = np.nan
    strange.loc[::9, "amount"] = 1e12
    return strange
