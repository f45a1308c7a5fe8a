"""The Handbook's twelve windows, computed by five engines: one engine a process, told by name.

    python -m tests.benchmarks.feature_engines ENGINE TRANSACTIONS LABELS OUTPUT SHARE

Each reads the same Parquet files and writes the id and twelve integers; a line of JSON tells what
it took. Times are unique and labels known before the delay is over, so that engines which know
neither ties nor late labels give the same numbers.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

DAY = 86_400_000_000
WINDOWS = (1, 7, 30)
NAMES = [
    f"{name}_{days}d"
    for days in WINDOWS
    for name in ("customer_count", "customer_sum", "terminal_count", "terminal_frauds")
]
READ = ["transaction_id", "known_us", "customer_id", "terminal_id", "amount_cents"]
Work = Callable[[], None]


def pandas_apply(transactions: str, labels: str, output: str, share: float) -> Work:
    """Rolling windows inside groupby-apply, one entity after the other, as the Handbook does."""
    import pandas as pd

    warnings.simplefilter("ignore")  # a warning a group would be most of the time

    def customer(group: Any) -> Any:
        group = group.sort_values("when").set_index("when")
        for days in WINDOWS:
            rolling = group["amount_cents"].rolling(f"{days}D")
            group[f"customer_sum_{days}d"] = rolling.sum()
            group[f"customer_count_{days}d"] = rolling.count()
        return group.reset_index()

    def terminal(group: Any) -> Any:
        group = group.sort_values("when").set_index("when")
        recent = group["fraud"].rolling("7D")
        frauds, count = recent.sum(), recent.count()
        for days in WINDOWS:
            longer = group["fraud"].rolling(f"{7 + days}D")
            group[f"terminal_frauds_{days}d"] = longer.sum() - frauds
            group[f"terminal_count_{days}d"] = longer.count() - count
        return group.reset_index()

    def work() -> None:
        rows = pd.read_parquet(transactions, columns=READ)
        reported = pd.read_parquet(labels, columns=["transaction_id"])["transaction_id"]
        rows["fraud"] = rows["transaction_id"].isin(reported).astype("int64")
        rows["when"] = pd.to_datetime(rows["known_us"], unit="us")
        parts = []
        for key, compute in (("customer_id", customer), ("terminal_id", terminal)):
            few = rows[rows[key] < share * (rows[key].max() + 1)] if share < 1 else rows
            made = few.groupby(key).apply(compute)
            mine = [name for name in NAMES if name.startswith(key[:8])]
            parts.append(made.set_index("transaction_id")[mine].astype("int64"))
        joined = parts[0].join(parts[1], how="outer").astype("Int64")
        joined.reset_index().to_parquet(output)

    return work


def polars_rolling(transactions: str, labels: str, output: str, share: float) -> Work:
    """Polars' own rolling groups."""
    import polars as pl

    def rolled(rows: Any, key: str, days: int, delay: int, aggregates: list[Any]) -> Any:
        width = days * DAY
        return rows.rolling(
            index_column="known_us",
            period=f"{width}i",
            offset=f"-{width + delay}i",
            closed="right",
            group_by=key,
        ).agg(aggregates)

    def work() -> None:
        reported = pl.read_parquet(labels, columns=["transaction_id"])["transaction_id"]
        rows = pl.read_parquet(transactions, columns=READ)
        rows = rows.with_columns(fraud=pl.col("transaction_id").is_in(reported.implode()).cast(int))
        made = []
        for key, value, delay, names in (
            ("customer_id", "amount_cents", 0, ("customer_count", "customer_sum")),
            ("terminal_id", "fraud", 7 * DAY, ("terminal_count", "terminal_frauds")),
        ):
            ordered = rows.sort(key, "known_us")
            columns = [ordered["transaction_id"]]
            for days in WINDOWS:
                told = [
                    pl.len().cast(pl.Int64).alias(f"{names[0]}_{days}d"),
                    pl.col(value).sum().alias(f"{names[1]}_{days}d"),
                ]
                columns += rolled(ordered, key, days, delay, told).get_columns()[2:]
            made.append(pl.DataFrame(columns))
        made[0].join(made[1], on="transaction_id").write_parquet(output)

    return work


def numba_pass(transactions: str, labels: str, output: str, share: float) -> Work:
    """Two pointers over sorted arrays, compiled: the limit of what one thread can do."""
    import numba
    import numpy as np
    import pandas as pd

    @numba.njit(cache=False)
    def two_pointers(key: Any, time: Any, value: Any, far: int, near: int) -> Any:
        count, total = np.empty(len(time), np.int64), np.empty(len(time), np.int64)
        first = last = inside = added = 0
        for i in range(len(time)):
            if i == 0 or key[i] != key[i - 1]:
                first, last, inside, added = i, i, 0, 0
            while last < len(time) and key[last] == key[i] and time[last] <= time[i] - near:
                inside, added, last = inside + 1, added + value[last], last + 1
            while first < last and time[first] <= time[i] - far:
                inside, added, first = inside - 1, added - value[first], first + 1
            count[i], total[i] = inside, added
        return count, total

    one = np.zeros(1, np.int64)
    two_pointers(one, one, one, 1, 0)  # compiled before the clock starts

    def work() -> None:
        rows = pd.read_parquet(transactions, columns=READ)
        reported = pd.read_parquet(labels, columns=["transaction_id"])["transaction_id"]
        fraud = rows["transaction_id"].isin(reported).to_numpy().astype(np.int64)
        made = {"transaction_id": rows["transaction_id"].to_numpy()}
        time = rows["known_us"].to_numpy()
        for key, value, delay, names in (
            ("customer_id", rows["amount_cents"].to_numpy(), 0, ("customer_count", "customer_sum")),
            ("terminal_id", fraud, 7 * DAY, ("terminal_count", "terminal_frauds")),
        ):
            entity = rows[key].to_numpy()
            order = np.lexsort((time, entity))
            ordered = (entity[order], time[order], value[order])
            for days in WINDOWS:
                found = two_pointers(*ordered, days * DAY + delay, delay)
                for name, values in zip(names, found, strict=True):
                    column = np.empty_like(values)
                    column[order] = values
                    made[f"{name}_{days}d"] = column
        pd.DataFrame(made).to_parquet(output, index=False)

    return work


def _ours(connect: Callable[[], Any], transactions: str, labels: str, output: str) -> Work:
    from fin_kedro.features.fraud_statistics import handbook_statistics
    from fin_kedro.features.history import offline

    def work() -> None:
        engine = connect()
        tables = (engine.read_parquet(path) for path in (transactions, labels))
        made = offline(handbook_statistics, *tables)
        engine.to_parquet(made.select("transaction_id", *NAMES), output)

    return work


def _conf(environment: str) -> dict[str, Any]:
    import yaml

    root = Path(__file__).parents[2]
    return yaml.safe_load((root / f"conf/{environment}/globals.yml").read_text())["engine"]


def ours_on_duckdb(transactions: str, labels: str, output: str, share: float) -> Work:
    """The specification on DuckDB, with the settings of conf/base."""
    import ibis

    settings = {name: value for name, value in _conf("base").items() if name != "backend"}
    return _ours(lambda: ibis.duckdb.connect(**settings), transactions, labels, output)


def ours_on_spark(transactions: str, labels: str, output: str, share: float) -> Work:
    """The specification on Spark in local mode, with the settings of conf/spark."""
    from fin_kedro.storage.datasets import TableDataset

    engine = TableDataset(filepath=output, connection=_conf("spark")).connection  # starts the JVM
    engine.raw_sql("SELECT 1").collect()
    return _ours(lambda: engine, transactions, labels, output)


ENGINES = {
    f.__name__: f for f in (pandas_apply, polars_rolling, numba_pass, ours_on_duckdb, ours_on_spark)
}


def _spent() -> tuple[float, float]:
    """Processor seconds and peak GiB of this process and those it started (Spark's JVM)."""
    import psutil

    own = resource.getrusage(resource.RUSAGE_SELF)
    seconds, peak = own.ru_utime + own.ru_stime, _peak("self")
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        seconds += times.user + times.system
        peak += _peak(child.pid)
    return seconds, peak / 2**20


def _peak(process: int | str) -> int:
    """The most memory a process held, in KiB.

    Not `ru_maxrss`: a process begins with that of the one that started it (here the simulation).
    """
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)  # a child that has ended has none
    return int(found[1]) if found else 0


if __name__ == "__main__":
    engine, transactions, labels, output, share = sys.argv[1:]
    os.environ["POLARS_MAX_THREADS"] = "2"
    work = ENGINES[engine](transactions, labels, output, float(share))
    before, _ = _spent()
    work()
    after, peak = _spent()
    print(json.dumps({"start": before, "work": after - before, "peak": peak}))
