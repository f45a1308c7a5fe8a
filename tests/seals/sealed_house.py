"""A small project with one sealed run, made without `kedro run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from fin_kedro.seals.sealing import RunRecord, keep_seal

RUN = "2026-11-22T03.34.13.922Z"
KINDS = {
    "raw": "json.JSONDataset", "table": "pandas.ParquetDataset", "points": "pandas.CSVDataset",
    "figure": "matplotlib.MatplotlibDataset", "metrics": "json.JSONDataset",
    "seal": "json.JSONDataset",
}  # fmt: skip
FILES = {
    "raw": "data/01_raw/raw.json", "table": "data/table.parquet", "points": "data/points.csv",
    "figure": "data/figure.png", "metrics": "data/metrics.json",
    "seal": "data/08_reporting/seal.json",
}  # fmt: skip


def build(rows: list[float], scale: float) -> tuple[Any, ...]:
    """The one node: a table, points, a figure, metrics."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(rows)
    table = pd.DataFrame({"row": rows, "scaled": np.array(rows) * scale})
    return table, table, figure, {"mean": float(np.mean(rows))}


def make_house(
    project: Path, *, rows: tuple[float, ...] = (1.0, 2.5), run: str = RUN, scale: float = 2.0
) -> Path:
    """Write the project, run its node, keep the seal; return the seal's path."""
    base = project / "conf/base"
    base.mkdir(parents=True, exist_ok=True)
    for folder in ("local", "../src"):
        (base.parent / folder).mkdir(exist_ok=True)
    entries = {
        n: {"type": k, "filepath": FILES[n], "versioned": n != "raw"} for n, k in KINDS.items()
    }
    (base / "catalog.yml").write_text(yaml.safe_dump(entries))
    ledger = {"house": {"release": {"ledger": "${project:data/governance/ledger.sqlite}"}}}
    (base / "parameters.yml").write_text(yaml.safe_dump(ledger))
    (project / "requirements.lock").write_text("")
    settings = (
        '[tool.kedro]\npackage_name="house"\nproject_name="house"\nkedro_init_version="1.7.0"\n'
    )
    (project / "pyproject.toml").write_text(settings)
    (project / "data/01_raw").mkdir(parents=True, exist_ok=True)
    (project / "data/01_raw/raw.json").write_text(json.dumps(rows))
    return _run(project, run, scale)


def _run(project: Path, run: str, scale: float) -> Path:
    entries = {
        n: {"type": k, "filepath": str(project / FILES[n]), "versioned": n != "raw"}
        for n, k in KINDS.items()
    }
    entries["figure"]["save_args"] = {"metadata": {"Software": None}}
    catalog = DataCatalog.from_config(entries, save_version=run)
    catalog["params:scale"] = scale
    catalog["params:house.release"] = {"ledger": str(project / "data/governance/ledger.sqlite")}
    made = ["table", "points", "figure", "metrics"]
    step = node(build, ["raw", "params:scale"], made, name="build", namespace="house")
    record = RunRecord(project, policy={"gates": {}})
    record.start({"run_id": run}, Pipeline([step]), catalog)
    loaded = [catalog.load(name) for name in step.inputs]
    for name in step.inputs:
        record.add("read", name, step)
    for name, data in zip(made, build(*loaded), strict=True):
        catalog.save(name, data)
        record.add("written", name, step)
    keep_seal(record, "completed", catalog)
    return project / FILES["seal"] / run / "seal.json"
