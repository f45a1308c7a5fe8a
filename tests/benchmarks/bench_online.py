"""One transaction online: look up all fraud statistics and count it, with a million events kept."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.windows import DAY
from fin_kedro.online import FeatureStore, StoreError
from fin_kedro.online.key_value import packed_store
from fin_kedro.online.log_store import LogStore
from fin_kedro.online.memory_store import MemoryStore
from fin_kedro.online.redis_store import RedisStore
from fin_kedro.simulation.card_transactions import simulate

from .candidate_stores import LmdbStore, SqliteStore
from .conftest import Printer

EVENTS = int(os.environ.get("FIN_KEDRO_BENCH_EVENTS", "1000000"))
REDIS = os.environ.get("FIN_KEDRO_TEST_REDIS", "redis://127.0.0.1:6379/9")
ROUNDS = 9
BLOCK = 1_000  # transactions of each contender in a round; they go in turns
SYNCED = 400  # transactions that wait for the disk, after the rounds
PLAIN = "plain dict, last value only"
Row = Mapping[str, Any]
Work = Callable[[Row], Any]


@pytest.mark.usefixtures("tools_found_last")
def bench_online(say: Printer, tmp_path: Path) -> None:
    """All contenders are filled with the same history and score the same next transactions."""
    history, labels, rows = _history()
    with ExitStack() as stack:
        contenders, log = _contenders(say, stack, tmp_path, history, labels)
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        first: dict[str, Any] = {}
        for start in range(0, ROUNDS * BLOCK, BLOCK):
            for name, work in contenders.items():
                answers = [_timed(work, row, spent[name]) for row in rows[start : start + BLOCK]]
                first.setdefault(name, answers)
        exact = [answers for name, answers in first.items() if name != PLAIN]
        assert all(answers == exact[0] for answers in exact), "the stores disagree"
        log.sync = "always"
        spent["log, sync: always"] = []
        for row in rows[-SYNCED:]:
            _timed(log.score, row, spent["log, sync: always"])
        _print(say, spent)


def _timed(work: Work, row: Row, spent: list[tuple[float, float]]) -> Any:
    busy, start = time.thread_time(), time.perf_counter()
    answer = work(row)
    spent.append((time.perf_counter() - start, time.thread_time() - busy))
    return answer


def _history() -> tuple[pd.DataFrame, pd.DataFrame, list[Row]]:
    """The last EVENTS transactions within the longest window, their labels, and what comes next."""
    days = fraud_statistics.horizon_us // DAY
    customers = int(EVENTS / days / 2 * 1.1) + 50  # two transactions a day and customer
    settings = {"customers": customers, "terminals": 2 * customers, "days": days}
    world = simulate(settings=settings, seed=1)
    transactions = world.transactions.sort_values("known_us", kind="stable")
    later = ROUNDS * BLOCK + SYNCED
    now = transactions["known_us"].iloc[-later]
    history = transactions.iloc[-EVENTS - later : -later]
    labels = world.labels[world.labels["known_us"] < now]
    return history, labels, transactions.iloc[-later:].to_dict("records")


def _contenders(
    say: Printer, stack: ExitStack, folder: Path, history: pd.DataFrame, labels: pd.DataFrame
) -> tuple[dict[str, Work], LogStore]:
    start = time.perf_counter()
    memory = stack.enter_context(MemoryStore(fraud_statistics))
    memory.warm_start(history, labels)
    rate = len(history) / (time.perf_counter() - start)
    counts = memory.statistics()
    say(f"{len(fraud_statistics.names)} features; kept: {counts}; warm start {rate:,.0f} events/s")
    memory.snapshot(folder / "snapshot")
    log = stack.enter_context(LogStore(fraud_statistics, folder / "log"))
    log.restore(folder / "snapshot")
    log.close()
    start = time.perf_counter()
    log = stack.enter_context(LogStore(fraud_statistics, folder / "log"))
    say(f"log opened again: {len(history) / (time.perf_counter() - start):,.0f} events/s")
    lmdb = stack.enter_context(LmdbStore(fraud_statistics, folder / "lmdb"))
    sqlite = stack.enter_context(SqliteStore(fraud_statistics, folder / "sqlite"))
    for candidate in (lmdb, sqlite):
        with candidate._attempt():
            candidate.fill(packed_store(memory))
    contenders: dict[str, Work] = {
        PLAIN: _plain(),
        "memory": memory.score,
        "log (chosen), sync: os": log.score,
        "LMDB": lmdb.score,
        "SQLite, WAL": sqlite.score,
    }
    redis = _redis(say, stack, memory)
    return contenders | ({} if redis is None else {"Redis": redis.score}), log


def _redis(say: Printer, stack: ExitStack, memory: MemoryStore) -> FeatureStore | None:
    prefix = f"fin-kedro-bench-{uuid.uuid4().hex}"
    try:
        store = RedisStore(fraud_statistics, REDIS, prefix=prefix)
    except StoreError as error:
        say(f"without Redis: {error}")
        return None
    stack.enter_context(store)
    stack.callback(store._delete, kept=set())
    store._fill(memory)
    return store


def _plain() -> Work:
    """The least that any store does: for each key one look and one write into a dict."""
    keys = fraud_statistics.keys
    held: dict[Any, Any] = {}

    def work(row: Row) -> Any:
        found = []
        for key in keys:
            name = tuple([row[column] for column in key])
            found.append(held.get(name))
            held[name] = (row["known_us"], row["amount_cents"])
        return found

    return work


def _print(say: Printer, spent: dict[str, list[tuple[float, float]]]) -> None:
    say("microseconds a transaction; processor time of this process leaves out its neighbours")
    print(f"  {'':<28} {'median':>8} {'99 %':>9}   {'processor: median':>18} {'99 %':>8}   ratio")
    base = 0.0
    for name, both in spent.items():
        elapsed, busy = (sorted(each) for each in zip(*both, strict=True))
        (median, p99), (own, own99) = map(_percentiles, (elapsed, busy))
        base = base or median
        print(
            f"  {name:<28} {median:>8.1f} {p99:>9.1f}   {own:>18.1f} {own99:>8.1f} "
            f"{median / base:>7.1f}"
        )


def _percentiles(ordered: list[float]) -> tuple[float, float]:
    return 1e6 * ordered[len(ordered) // 2], 1e6 * ordered[int(len(ordered) * 0.99)]
