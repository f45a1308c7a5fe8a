"""The Redis store: several processes at once, keys that leave, a server that does not answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
import redis

from fin_kedro.features.windows import DAY
from fin_kedro.online import StoreError, open_store, redis_store
from fin_kedro.online.key_value import ATTEMPTS
from fin_kedro.online.memory_store import MemoryStore
from fin_kedro.online.redis_store import GRACE, RedisStore
from tests.features.event_streams import FEATURES, expected, nearly_ordered

from .dying import together
from .kinds import LONG, Shelf, report, row


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf("redis", tmp_path)
    yield shelf
    shelf.clear()


def in_processes(shelf: Shelf, parts: list[list[tuple[str, Any]]]) -> None:
    """Let one process each apply its events to the same store, all at the same time."""
    together(apply_by_threes, [(shelf, part) for part in parts])


def apply_by_threes(shelf: Shelf, part: list[tuple[str, Any]]) -> None:
    with shelf.open() as store:
        for start in range(0, len(part), 3):
            store.apply(part[start : start + 3], {})


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_write_at_once_lose_nothing_and_count_nothing_twice(
    shelf: Shelf, processes: int
) -> None:
    events = nearly_ordered(processes, lateness=40, length=240)
    shelf.open().close()  # the children find the name
    slices = [events[number::processes] for number in range(processes)]
    in_processes(shelf, [part + slices[at - 1][::4] for at, part in enumerate(slices)])
    rows = [told for kind, told in events if kind == "transaction"]
    labels = [told for kind, told in events if kind == "label"]
    with shelf.open() as store:
        kept = store.statistics()
        assert (kept["transactions"], kept["labels"]) == (len(rows), len(labels))
        for told in rows:
            assert store.lookup(told) == expected(FEATURES, told, rows, labels)


def test_one_transaction_sent_by_all_at_once_counts_once(shelf: Shelf) -> None:
    shelf.open().close()
    in_processes(shelf, [[("transaction", row(1, 1)), ("label", report(1, 1, 2))]] * 3)
    with shelf.open() as store:
        assert store.lookup(row(2, 3))["count_5"] == 1
        assert store.lookup(row(2, 3))["frauds_now"] == 5


def test_keys_leave_when_nothing_can_count_them_any_more(shelf: Shelf) -> None:
    with shelf.open(lateness_us=DAY) as store:
        store.score(row(1, 1))
        store.learn(report(1, 1, 1))
        assert isinstance(store, RedisStore)
        reach = (store.plan.horizon + DAY + GRACE) // 1000
        client = redis.Redis.from_url(shelf.url)
        named = {key.decode().split(":", 1)[1] for key in client.scan_iter(f"{shelf.prefix}-one:*")}
        assert named == {"specification", "x:1", "0:1", '1:"a"', '2:[1, "a"]'}
        for name in named - {"specification"}:
            assert reach - 60_000 < client.pttl(f"{shelf.prefix}-one:{name}") <= reach


def test_an_entity_in_redis_stays_small(shelf: Shelf) -> None:
    with shelf.open(lateness_us=5) as store:
        for start in range(0, 1000, 100):
            store.apply([("transaction", row(t, t)) for t in range(start, start + 100)], {})
        size = redis.Redis.from_url(shelf.url).strlen(f"{shelf.prefix}-one:0:1")
    assert 0 < size < 3_000


def test_stores_with_other_prefixes_know_nothing_of_each_other(shelf: Shelf) -> None:
    with shelf.open(name="a") as one, shelf.open(name="a*") as other:
        one.score(row(1, 1))
        assert other.lookup(row(2, 2))["count_5"] == 0
        assert other.statistics()["transactions"] == 0
        other.score(row(2, 2))
        assert other.statistics()["transactions"] == 1


def test_too_much_contention_is_an_error_and_nothing_is_counted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    with shelf.open() as store:
        with monkeypatch.context() as patched:
            patched.setattr(store, "_exchange", lambda *_: tried.append(1))
            with pytest.raises(StoreError, match="another process changed the same entities"):
                store.score(row(1, 1))
        assert len(tried) == ATTEMPTS
        assert store.lookup(row(2, 2))["count_5"] == 0


def test_a_broken_connection_after_the_exchange_does_not_count_twice(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.open() as store:
        assert isinstance(store, RedisStore)
        script = store._script

        def lost(**told: Any) -> None:
            script(**told)
            raise redis.ConnectionError("Connection reset by peer")

        with monkeypatch.context() as patched:
            patched.setattr(store, "_script", lost)
            with pytest.raises(StoreError, match="Connection reset.*does not count twice"):
                store.score(row(1, 1))
        assert store.score(row(1, 1))["count_9_current"] == 1
        assert store.lookup(row(2, 2))["count_5"] == 1


def history(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    events = nearly_ordered(seed, lateness=0, length=150)
    rows = pd.DataFrame([told for kind, told in events if kind == "transaction"])
    return rows, pd.DataFrame([told for kind, told in events if kind == "label"])


def test_a_warm_start_into_a_used_store_equals_one_into_an_empty_store(shelf: Shelf) -> None:
    rows, labels = history(3)
    with shelf.open(name="used") as used, shelf.open(name="empty") as empty:
        used.score(rows.iloc[-1].to_dict())
        assert used.warm_start(rows, labels) == empty.warm_start(rows, labels) == len(rows)
        assert used.statistics() == empty.statistics()
        for told in rows.to_dict("records"):
            assert used.lookup(told) == empty.lookup(told)
        assert empty.score(row("new", 5000)) == used.score(row("new", 5000))


def while_made(monkeypatch: pytest.MonkeyPatch, done: Callable[[], Any]) -> None:
    """Let something happen while the entities of a warm start or a restore are made ready."""

    class Slow(MemoryStore):
        def warm_start(self, transactions: Any, labels: Any) -> int:
            count = super().warm_start(transactions, labels)
            done()
            return count

        def _refill(self, batches: Any) -> None:
            super()._refill(batches)
            done()

    monkeypatch.setattr(redis_store, "MemoryStore", Slow)


@pytest.mark.parametrize("form", ["tables", "iterators"])
def test_what_is_committed_while_a_warm_start_makes_entities_is_kept(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    rows, labels = history(5)
    told, known = rows.to_dict("records"), labels.to_dict("records")
    newest = {**told[0], "transaction_id": "meanwhile", "event_us": 9999, "known_us": 9999}
    with shelf.open() as store, shelf.open() as consumer:
        events = [("transaction", newest), ("label", report(-1, "not yet", 9999))]
        while_made(monkeypatch, lambda: consumer.apply(events, {("transactions", 0): 1}))
        given = (rows, labels) if form == "tables" else (iter([rows]), iter([labels]))
        assert store.warm_start(*given) == len(rows)
        assert store.offsets() == {("transactions", 0): 1}
        assert store.statistics()["transactions"] == len(rows) + 1
        assert store.statistics()["waiting"] == 1
        for each in [*told, newest]:
            assert store.lookup(each) == expected(FEATURES, each, [*told, newest], known)
        assert consumer.score(row("next", 10_000))  # it is let in again


def test_a_fill_that_was_ended_while_it_looked_deletes_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, labels = history(6)
    with shelf.open() as store, shelf.open() as consumer:
        while_made(monkeypatch, lambda: consumer.score(row("meanwhile", 1)))
        with monkeypatch.context() as patched:
            used = Mock(side_effect=[False, KeyboardInterrupt])
            patched.setattr(store, "_is_used", used)
            with pytest.raises(KeyboardInterrupt):
                store.warm_start(rows, labels)
        while_made(monkeypatch, lambda: None)
        with pytest.raises(StoreError, match="is being filled"):
            consumer.score(row("refused", 2))
        redis.Redis.from_url(shelf.url).delete(f"{shelf.prefix}-one:filler")  # a minute later
        assert store.warm_start(rows, labels) == len(rows)
        assert store.statistics()["transactions"] == len(rows) + 1


def test_a_filler_that_was_given_up_writes_nothing_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, labels = history(7)
    monkeypatch.setattr(redis_store, "PART", 20)
    client = redis.Redis.from_url(shelf.url)
    with shelf.open() as store:
        assert isinstance(store, RedisStore)
        write = store._write

        def silent_for_long(values: Any) -> None:
            write(values)
            client.set(f"{shelf.prefix}-one:filler", "another")

        monkeypatch.setattr(store, "_write", silent_for_long)
        with pytest.raises(StoreError, match="another process took over filling"):
            store.warm_start(rows, labels)
        assert client.get(f"{shelf.prefix}-one:filler") == b"another"
        assert client.exists(f"{shelf.prefix}-one:filling")  # still nobody else may write


def snapshot_of(rows: pd.DataFrame, labels: pd.DataFrame, path: Path) -> None:
    with open_store("memory:", FEATURES, lateness_us=LONG, ahead_us=None) as store:
        store.warm_start(rows, labels)
        store.apply([], {("transactions", 2): 9})
        store.snapshot(path)


def test_a_restore_that_was_broken_off_is_noticed_and_begun_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows, labels = history(8)
    snapshot_of(rows, labels, tmp_path / "state")
    monkeypatch.setattr(redis_store, "PART", 20)
    with shelf.open() as store, shelf.open() as other:
        with monkeypatch.context() as patched:
            patched.setattr(store, "_write", Mock(side_effect=[None, KeyboardInterrupt]))
            with pytest.raises(KeyboardInterrupt):
                store.restore(tmp_path / "state")
        for refused in (other.offsets, partial(other.score, row(1, 1))):
            with pytest.raises(StoreError, match="broken off.*or the restore again"):
                refused()
        redis.Redis.from_url(shelf.url).delete(f"{shelf.prefix}-one:filler")  # a minute later
        other.restore(tmp_path / "state")
        assert store.offsets() == {("transactions", 2): 9}
        told, known = rows.to_dict("records"), labels.to_dict("records")
        for each in told:
            assert store.lookup(each) == expected(FEATURES, each, told, known)


def test_a_restore_refuses_a_store_that_got_events_meanwhile(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    snapshot_of(*history(9), tmp_path / "state")
    with shelf.open() as store, shelf.open() as consumer:
        while_made(monkeypatch, lambda: consumer.score(row("meanwhile", 1)))
        with pytest.raises(StoreError, match="got events meanwhile"):
            store.restore(tmp_path / "state")
        assert consumer.statistics()["transactions"] == 1
        assert consumer.lookup(row("next", 2))["count_5"] == 1


def test_a_warm_start_that_was_broken_off_is_noticed_and_begun_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, labels = history(4)
    monkeypatch.setattr(redis_store, "PART", 20)
    with shelf.open() as store, shelf.open() as other:
        assert isinstance(store, RedisStore)
        with monkeypatch.context() as patched:
            patched.setattr(store, "_write", Mock(side_effect=[None, None, KeyboardInterrupt]))
            with pytest.raises(KeyboardInterrupt):
                store.warm_start(rows, labels)
        for refused in (other.lookup, other.score):
            with pytest.raises(StoreError, match="broken off.*run the warm start or the"):
                refused(row(1, 1))
        with pytest.raises(StoreError, match="another process fills"):
            other.warm_start(rows, labels)
        redis.Redis.from_url(shelf.url).delete(f"{shelf.prefix}-one:filler")  # a minute later
        other.warm_start(rows, labels)
        told = rows.to_dict("records")
        assert store.statistics()["transactions"] == len(told)
        for each in told:
            assert store.lookup(each) == expected(FEATURES, each, told, labels.to_dict("records"))


def test_an_exchange_while_the_store_is_being_filled_is_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.open() as store:
        fetch = store._fetch  # type: ignore[attr-defined]

        def begun_meanwhile(keys: list[str]) -> list[bytes | None]:
            values = fetch(keys)
            redis.Redis.from_url(shelf.url).set(f"{shelf.prefix}-one:filling", "1")
            return values  # type: ignore[no-any-return]

        monkeypatch.setattr(store, "_fetch", begun_meanwhile)
        with pytest.raises(StoreError, match="is being filled from history"):
            store.score(row(1, 1))


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_no_server_is_a_clear_error_without_the_password() -> None:
    with pytest.raises(StoreError, match=r"Redis at redis://127.0.0.1:\d+/0 did not") as caught:
        open_store(f"redis://someone:secret@127.0.0.1:{free_port()}/0", FEATURES)
    assert "secret" not in str(caught.value)


def test_an_address_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="is no address of a Redis"):
        open_store("redis://127.0.0.1:port/0", FEATURES)


def test_a_server_that_never_answers_is_given_up(shelf: Shelf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with pytest.raises(StoreError, match="did not do what was asked"):
            open_store(url, FEATURES, timeout=0.1)


def test_threads_share_one_store(shelf: Shelf) -> None:
    with shelf.open() as store:
        parts = [[("transaction", row(f"{n}-{t}", t)) for t in range(30)] for n in range(3)]
        threads = [threading.Thread(target=store.apply, args=(part, {})) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.lookup(row("new", 30))["count_9_current"] == 28


def test_lateness_is_an_option_as_elsewhere(shelf: Shelf) -> None:
    with shelf.open() as store:
        assert store.plan.lateness == LONG
