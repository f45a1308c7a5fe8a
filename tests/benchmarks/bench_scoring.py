"""One ONNX graph (raw columns to probability and reasons) against the same work in Python."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from .conftest import Printer

SIZES = (1, 64, 4096)
ROUNDS = 7
Work = Callable[[int], Any]


def bench_scoring(say: Printer, tried: Path) -> None:
    """Features are computed inside the graph; the Python peers get theirs ready-made."""
    contenders = _contenders(tried)
    names = list(contenders)
    say(f"median microseconds a call, and the ratio to {names[0]!r} in the same round")
    for size in SIZES:
        spent: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(ROUNDS):  # in turns, so that a noisy neighbour slows all of them
            for name, work in contenders.items():
                spent[name].append(_seconds(work, size))
        first = spent[names[0]]
        for name in names:
            ratio = statistics.median(a / b for a, b in zip(spent[name], first, strict=True))
            median = 1e6 * statistics.median(spent[name])
            print(f"  n = {size:>4}  {name:<48} {median:>10.0f} us  {ratio:>7.2f} x")


def _seconds(work: Work, size: int) -> float:
    repeats = {1: 40, 64: 15}.get(size, 2)
    work(size)
    start = time.perf_counter()
    for _ in range(repeats):
        work(size)
    return (time.perf_counter() - start) / repeats


def _contenders(project: Path) -> dict[str, Work]:
    from catboost import Pool

    from fin_kedro.contracts.reading import read_contract
    from fin_kedro.models.champion import from_json, model_frame
    from fin_kedro.models.graph import feeds, open_session
    from fin_kedro.project.evidence import open_catalog

    before = Path.cwd()
    os.chdir(project)  # catalog paths are relative to the project
    try:
        catalog = open_catalog(project_path=project, env="base")
        champion, features = catalog.load("credit.champion"), catalog.load("credit.features")
        graph = catalog.load("credit.champion_graph")
        table = catalog.load("credit.model_table").limit(max(SIZES)).execute()
        contract = read_contract("conf/base/contracts/credit_applications.odcs.yaml")
        [path] = project.glob("data/01_raw/credit_applications.parquet/*/*.parquet")
    finally:
        os.chdir(before)
    raw = ibis.duckdb.connect().read_parquet(path).order_by("ID").limit(max(SIZES)).execute()
    session = open_session(graph)
    kinds = {i.name: "string" if "string" in i.type else "number" for i in session.get_inputs()}
    tensors = {size: feeds(raw[:size], kinds) for size in SIZES}
    x = model_frame(table, features)
    model, nominal = from_json(champion), list(champion["nominal"])
    numbers = raw[[c.name for c in contract.features]].to_numpy(dtype="float64")
    target = table["target"].to_numpy()
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    regression.fit(numbers, target)
    boosting = HistGradientBoostingClassifier(max_iter=300, early_stopping=False)
    boosting.fit(numbers, target)

    def catboost_with_reasons(size: int) -> None:
        pool = Pool(x[:size], cat_features=nominal)
        model.predict(pool, prediction_type="RawFormulaVal", thread_count=1)
        model.get_feature_importance(pool, type="ShapValues", thread_count=1)

    def catboost_alone(size: int) -> None:
        pool = Pool(x[:size], cat_features=nominal)
        model.predict(pool, prediction_type="RawFormulaVal", thread_count=1)

    def boosted(size: int) -> None:
        with threadpool_limits(limits=1, user_api="openmp"):  # one thread each, as the graph
            boosting.predict_proba(numbers[:size])

    return {
        "one graph: features, probability, reasons": lambda size: session.run(None, tensors[size]),
        "CatBoost in Python: probability, SHAP": catboost_with_reasons,
        "CatBoost in Python: probability": catboost_alone,
        "HistGradientBoosting, 300 trees: probability": boosted,
        "LogisticRegression: probability": lambda n: regression.predict_proba(numbers[:n]),
    }


def bench_package_scorer(say: Printer, tried: Path) -> None:
    """What a decision costs around the graph: checks, encoding, reason texts."""
    from fin_kedro.serving.scorer import Scorer

    [package] = tried.glob("data/06_models/credit/package/*/package")
    scorer = Scorer.from_package(package)
    rows = [row["application"] for row in json.loads((package / "golden.json").read_text())]
    for size in (1, 20):
        spent = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(20):
                scorer.score(rows[:size])
            spent.append((time.perf_counter() - start) / 20)
        say(f"Scorer.score of {size} rows: {1e6 * statistics.median(spent):.0f} us")
    assert np.isfinite(pd.Series(scorer.probabilities(rows))).all()
