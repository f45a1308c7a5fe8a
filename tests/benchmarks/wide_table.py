"""A wide table for a project: columns of every kind, drawn by a seed, with contract and conf.

    python -m tests.benchmarks.wide_table PROJECT COLUMNS ROWS

adds the workflow `wide` to a copy of the project, in the environment `wide`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

TELLING = 40  # columns that the outcome depends on; the others are noise
LEVELS = ("north", "east", "south", "west", "abroad")
KINDS = ("integer", "number", "number", "string", "boolean")
MEMORY = "3GB"  # for the engine: 2,000 columns do not fit into the 1 GB of conf/base
CHUNK = 20_000  # rows drawn and written at a time

Properties = dict[str, Any]


def main(project: Path, columns: int, rows: int) -> None:
    """Write raw file, contract and conf of the workflow into a project."""
    conf = project / "conf/wide"
    (conf / "contracts").mkdir(parents=True, exist_ok=True)
    _yaml(conf / "contracts/wide.odcs.yaml", contract(columns))
    engine = {"backend": "duckdb", "database": ":memory:", "memory_limit": MEMORY, "threads": 2}
    _yaml(conf / "globals.yml", {"data": "data/wide", "engine": engine})
    table = {
        "contract": "conf/wide/contracts/wide.odcs.yaml",
        "filepath": "data/01_raw/wide.parquet",
    }
    _yaml(conf / "workflows.yml", {"wide": {"kind": "static", "applications": table}})
    costs = {"approve_good": 1.0, "approve_bad": -4.0, "decline_good": 0.0, "decline_bad": 0.0}
    _yaml(conf / "parameters_wide.yml", {"wide": {"decision": {"costs": costs}}})
    write_rows(project / "data/01_raw/wide.parquet", columns, rows)


def contract(columns: int) -> Properties:
    """Open Data Contract Standard: an id, an outcome, a protected column, and features."""
    features = [_feature(place) for place in range(columns)]
    properties = [
        _column("id", "string", "id"),
        *features,
        _column("region", "string", "protected"),
        _column("outcome", "integer", "target", enum=[{"value": 0}, {"value": 1}]),
    ]
    table = {"name": "wide", "physicalType": "table", "properties": properties}
    return {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "wide", "name": "wide",
        "version": "1.0.0", "status": "active", "schema": [table],
    }  # fmt: skip


def _column(name: str, kind: str, role: str, **more: Any) -> Properties:
    own = {"role": role, **more.pop("custom", {})}
    return {
        "name": name,
        "logicalType": kind,
        "required": more.pop("required", True),
        "customProperties": [{"property": p, "value": v} for p, v in own.items()],
        **more,
    }


def _feature(place: int) -> Properties:
    name, kind = f"c{place:04d}", KINDS[place % len(KINDS)]
    custom = {"reasonCode": f"R{place}", "reason": f"Column {place} is unusual"}
    more: Properties = {"custom": custom}
    if kind == "integer":
        more |= {"logicalTypeOptions": {"minimum": 0, "maximum": 50}, "examples": [3]}
        custom["missingCodes"] = [-9]  # type: ignore[assignment]
    elif kind == "number":
        more |= {"required": False, "examples": [0.5]}
        more |= {"logicalTypeOptions": {"minimum": -100, "maximum": 100}}
    elif kind == "string":
        more |= {"enum": [{"value": level} for level in LEVELS], "examples": [LEVELS[0]]}
    return _column(name, kind, "feature", **more)


def write_rows(path: Path, columns: int, rows: int, seed: int = 7) -> None:
    """Draw the rows in chunks, each written as it is drawn: memory follows the chunk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for chunk in _chunks(columns, rows, seed):
        table = pa.Table.from_pandas(chunk, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _chunks(columns: int, rows: int, seed: int) -> Iterator[pd.DataFrame]:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.5, TELLING)
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        drawn: dict[str, Any] = {"id": [f"W{start + i:07d}" for i in range(count)]}
        log_odds = np.full(count, -1.5)
        for place in range(columns):
            signal = rng.normal(size=count)
            if place < TELLING:
                log_odds += weights[place] * signal
            drawn[f"c{place:04d}"] = _values(KINDS[place % len(KINDS)], signal, rng)
        drawn["region"] = rng.choice(["town", "country"], count)
        drawn["outcome"] = (rng.random(count) < 1 / (1 + np.exp(-log_odds))).astype("int64")
        yield pd.DataFrame(drawn)


def _values(kind: str, signal: np.ndarray, rng: np.random.Generator) -> Any:
    if kind == "integer":
        whole = np.clip(np.round(10 + 4 * signal), 0, 50).astype("int64")
        return np.where(rng.random(len(signal)) < 0.03, -9, whole)
    if kind == "number":
        return np.where(rng.random(len(signal)) < 0.05, np.nan, signal.round(4))
    if kind == "string":
        return np.array(LEVELS, dtype=object)[np.digitize(signal, [-1, 0, 0.7, 1.5])]
    return signal > 0


def _yaml(path: Path, content: Properties) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
