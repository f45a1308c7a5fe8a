"""The Handbook's twelve windows: our specification on DuckDB and on Spark, and its peers."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests import needs
from tests.conftest import ROOT

from .conftest import Printer
from .feature_engines import DAY, NAMES, WINDOWS

# Sizes by the simulator's factor; a share of the entities where all would take too long, scaled up.
SIZES = {"1.75 million": 1.0, "7 million": 4.0}
ROUNDS = {"numba_pass": 3, "ours_on_duckdb": 3, "polars_rolling": 3, "ours_on_spark": 1}
PANDAS_SHARE = {"1.75 million": 1.0, "7 million": 0.1}
HEAD = f"{'':<17}{'the work':>18}   {'whole process':>18}   {'peak':>9}"
LINE = (
    "  {name:<15}{work:>7.1f} s {ratio:>6.2f} x   {whole:>7.1f} s {whole_ratio:>6.2f} x   "
    "{peak:>5.2f} GiB"
)


def bench_feature_engines(say: Printer, tmp_path: Path) -> None:
    """Processor seconds (all threads and processes) from reading Parquet to having written it."""
    for size, factor in SIZES.items():
        data, rows = make_data(tmp_path / size.split()[0], factor)
        spent: dict[str, list[dict[str, float]]] = {name: [] for name in ROUNDS}
        for turn in range(max(ROUNDS.values())):  # in turns, for noisy neighbours
            for name, wanted in ROUNDS.items():
                if turn < wanted and not (name == "ours_on_spark" and shutil.which("java") is None):
                    spent[name].append(measure(name, data))
        share = PANDAS_SHARE[size]
        spent["pandas_apply"] = [measure("pandas_apply", data, share)]
        spent["pandas_apply"][0]["work"] /= share
        say(f"{rows:,} transactions, processor seconds; x is ours on DuckDB")
        report(spent, share)
        for name, rounds in spent.items():
            if rounds:
                check_equal(data, name)


def bench_feature_growth(say: Printer, tmp_path: Path) -> None:
    """Ours on DuckDB from 1.75 to 20 million rows, under the memory limit of conf/base."""
    say("ours on DuckDB as the table grows")
    for factor in (1.0, 4.0, 11.4):
        data, rows = make_data(tmp_path / str(factor), factor)
        told = measure("ours_on_duckdb", data)
        micro = 1e6 * told["work"] / rows
        print(
            f"  {rows:>12,} rows {told['work']:>7.1f} s  {micro:.2f} us a row  "
            f"peak {told['peak']:.2f} GiB",
            flush=True,
        )
        shutil.rmtree(data)


def bench_history_operators(say: Printer, tmp_path: Path) -> None:
    """Where ours on DuckDB spends its seconds, by DuckDB's own profile; medians of three rounds."""
    data, rows = make_data(tmp_path / "profiled", 1.0)
    rounds = [operator_seconds(data) for _ in range(3)]
    middle = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    say(f"{rows:,} transactions, one thread, {sum(middle.values()):.1f} s in DuckDB's operators")
    for name, seconds in sorted(middle.items(), key=lambda pair: -pair[1])[:8]:
        print(f"  {seconds:>5.2f} s  {name}", flush=True)
    say("the cards' three windows alone, as ours and as prefix sums with first values")
    spent: dict[str, list[float]] = {name: [] for name in FORMS}
    told = [{n: form_seconds(data, form, spent[n]) for n, form in FORMS.items()} for _ in range(3)]
    assert all(len(set(each.values())) == 1 for each in told), "all forms give equal numbers"
    for name, each in spent.items():
        print(f"  {statistics.median(each):>5.2f} s  {name}", flush=True)


def operator_seconds(data: Path) -> dict[str, float]:
    """Seconds by operator, and by what it parts or joins."""
    import ibis

    from fin_kedro.features.fraud_statistics import handbook_statistics
    from fin_kedro.features.history import offline

    engine = ibis.duckdb.connect(threads=1, memory_limit="1GB")
    tables = [engine.read_parquet(data / f"{n}.parquet") for n in ("transactions", "labels")]
    made = offline(handbook_statistics, *tables).select("transaction_id", *NAMES)
    engine.raw_sql("SET enable_profiling = 'json'")
    engine.raw_sql(f"SET profiling_output = '{data}/profile.json'")
    engine.to_parquet(made, data / "profiled.parquet")
    engine.raw_sql("PRAGMA disable_profiling")
    spent: dict[str, float] = {}
    waiting = list(json.loads((data / "profile.json").read_text())["children"])
    while waiting:
        node = waiting.pop()
        waiting += node["children"]
        found = re.search(r"PARTITION BY (\w+)|'Conditions': \[?'(.*?)'", str(node["extra_info"]))
        about = next((part for part in found.groups() if part), "") if found else ""
        name = f"{node['operator_type']} {about}".strip()
        spent[name] = spent.get(name, 0.0) + node["operator_timing"]
    return spent


# v holds an amount and, far above it, a one: its sum is a sum and a count, as in ours.
AMOUNTS = "SELECT *, (amount_cents + 4611686018427387904)::HUGEINT AS v FROM transactions"
PARTED = f"""SELECT *, sum(v) OVER (PARTITION BY customer_id ORDER BY known_us
    ROWS UNBOUNDED PRECEDING) - v AS before FROM ({AMOUNTS})"""
# One running total over all cards. That it runs in the order of its table is DuckDB's habit only.
STREAMED = f"""SELECT *, sum(v) OVER (ROWS UNBOUNDED PRECEDING) - v AS before
    FROM (SELECT * FROM ({AMOUNTS}) ORDER BY customer_id, known_us)"""
FIRST = "before - first_value(before) OVER (w RANGE {back} PRECEDING)"
FORMS = {  # what is computed, and from what
    "RANGE sums": (
        "sum(v) OVER (w RANGE {back} PRECEDING) - sum(v) OVER (w RANGE 0 PRECEDING)",
        AMOUNTS,
    ),
    "prefix sums": (FIRST, PARTED),
    "prefix sums, streamed": (FIRST, STREAMED),
}


def form_seconds(data: Path, form: tuple[str, str], spent: list[float]) -> tuple[int, ...]:
    """Note the processor seconds of one form; return its totals."""
    value, source = form
    engine = duckdb.connect(config={"threads": 1})
    engine.read_parquet(f"{data}/transactions.parquet").create_view("transactions")
    columns = ", ".join(f"{value.format(back=days * DAY - 1)} AS made_{days}" for days in WINDOWS)
    totals = ", ".join(f"sum(made_{days})::VARCHAR" for days in WINDOWS)
    began = time.process_time()
    found = engine.execute(
        f"""SELECT {totals} FROM (SELECT {columns} FROM ({source})
            WINDOW w AS (PARTITION BY customer_id ORDER BY known_us))"""
    ).fetchone()
    spent.append(time.process_time() - began)
    return found


def make_data(folder: Path, factor: float) -> tuple[Path, int]:
    """Simulate, with unique times and labels known a day before the delay is over."""
    from fin_kedro.simulation.card_transactions import simulate

    folder.mkdir(parents=True)
    world = simulate(settings={"factor": factor}, seed=1)
    rows, labels = world.transactions.sort_values("event_us"), world.labels
    rows["event_us"] += np.arange(len(rows))  # at most seconds, and never two at an instant
    rows["known_us"] = rows["event_us"]
    event = rows.set_index("transaction_id")["event_us"]
    labels["known_us"] = event.loc[labels["transaction_id"]].to_numpy() + 6 * DAY
    rows.to_parquet(folder / "transactions.parquet", index=False)  # in time's order, as they come
    labels.to_parquet(folder / "labels.parquet", index=False)
    return folder, len(rows)


def measure(engine: str, data: Path, share: float = 1.0) -> dict[str, float]:
    """Run one engine in a process of its own."""
    output = data / f"{engine}.parquet"
    shutil.rmtree(output, ignore_errors=True)
    output.unlink(missing_ok=True)
    paths = [str(data / "transactions.parquet"), str(data / "labels.parquet"), str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.feature_engines", engine, *paths, str(share)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src{os.pathsep}{needs.tools()}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def report(spent: dict[str, list[dict[str, float]]], share: float) -> None:
    """Print medians: the work alone, and with imports, compilation and the start of a JVM."""
    whole = {n: [told["work"] + told["start"] for told in each] for n, each in spent.items()}
    work = {n: [told["work"] for told in each] for n, each in spent.items()}
    middle = statistics.median
    print(HEAD)
    for name, rounds in spent.items():
        if not rounds:
            print(f"  {name:<15} not run: no Java on this machine", flush=True)
            continue
        line = LINE.format(
            name=name,
            work=middle(work[name]),
            ratio=middle(work[name]) / middle(work["ours_on_duckdb"]),
            whole=middle(whole[name]),
            whole_ratio=middle(whole[name]) / middle(whole["ours_on_duckdb"]),
            peak=middle(told["peak"] for told in rounds),
        )
        scaled = name == "pandas_apply" and share < 1
        note = f"measured on {share:.0%} of the entities" if scaled else f"{len(rounds)} rounds"
        print(f"{line}  {note}", flush=True)


def check_equal(data: Path, engine: str) -> None:
    """Every engine gives our integers (pandas those of its share of entities)."""
    source = data / f"{engine}.parquet"
    files = f"{source}/*.parquet" if source.is_dir() else str(source)
    same = " AND ".join(f"(b.{name} IS NULL OR a.{name} = b.{name})" for name in NAMES)
    total = ", ".join(f"count(b.{name})" for name in NAMES)
    query = f"""SELECT count(*), count(*) FILTER (NOT ({same})), {total}
        FROM read_parquet('{data}/ours_on_duckdb.parquet') a
        JOIN read_parquet('{files}') b USING (transaction_id)"""
    found: Any = duckdb.connect().execute(query).fetchone()
    assert found[1] == 0, f"{engine}: {found[1]} of {found[0]} rows differ"
    assert min(found[2:]) > 0 and (engine == "pandas_apply" or min(found[2:]) == found[0])


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
