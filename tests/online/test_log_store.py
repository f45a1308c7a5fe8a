"""The log: torn tails, damage, full disks, two writers, power, and a size that stays bounded."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.online import StoreError, open_store
from fin_kedro.online.log_store import LogStore
from tests.conftest import ROOT
from tests.features.event_streams import FEATURES, nearly_ordered

from .kinds import LONG, report, row

OPTIONS: dict[str, Any] = {"lateness_us": LONG, "ahead_us": None}


def log(folder: Path, **options: Any) -> LogStore:
    store = open_store(f"log:{folder / 'log'}", FEATURES, **{**OPTIONS, **options})
    assert isinstance(store, LogStore)
    return store


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "log").glob("*.log"))


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that takes no more: files of this process end at `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_tail_torn_at_any_byte_is_dropped_and_the_rest_is_kept(tmp_path: Path) -> None:
    ends = []
    with log(tmp_path) as store:
        for t in range(3):
            ends.append(segments(tmp_path)[0].stat().st_size)
            store.apply(
                [("transaction", row(t, t)), ("label", report(t, t, t))],
                {("transactions", 0): t + 1},
            )
    data = segments(tmp_path)[0].read_bytes()
    for size in range(ends[0], len(data)):
        segments(tmp_path)[0].write_bytes(data[:size])
        whole = sum(end <= size for end in ends) - 1
        with log(tmp_path) as store:
            assert store.statistics()["transactions"] == whole
            assert store.statistics()["labels"] == whole
            assert store.offsets() == ({("transactions", 0): whole} if whole else {})
            assert store.score(row(2, 2))["count_5"] == min(whole, 2)  # it goes on from there
        with log(tmp_path) as store:
            assert store.statistics()["transactions"] == min(whole + 1, 3)


def test_a_frame_of_zeros_at_the_end_is_a_torn_tail(tmp_path: Path) -> None:
    """As some file systems leave it after a power cut."""
    with log(tmp_path) as store:
        store.score(row(1, 1))
    with segments(tmp_path)[0].open("ab") as file:
        file.write(bytes(5000))
    with log(tmp_path) as store:
        assert store.statistics()["transactions"] == 1
    assert segments(tmp_path)[0].stat().st_size < 5000


def test_damage_before_the_end_is_refused_not_dropped(tmp_path: Path) -> None:
    with log(tmp_path) as store:
        for t in range(5):
            store.score(row(t, t))
    data = bytearray(segments(tmp_path)[0].read_bytes())
    data[-120] ^= 1
    segments(tmp_path)[0].write_bytes(data)
    with pytest.raises(StoreError, match=r"000000000001.log is damaged at byte \d+ of"):
        log(tmp_path)
    assert segments(tmp_path)[0].read_bytes() == data  # left as it was, for whoever repairs it


def test_a_torn_segment_that_is_not_the_last_is_refused(tmp_path: Path) -> None:
    with log(tmp_path, segment_bytes=500) as store:
        for t in range(30):
            store.score(row(t, t))
    first = segments(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(StoreError, match="000000000001.log is damaged"):
        log(tmp_path)


def test_a_full_disk_is_an_error_and_nothing_is_counted(tmp_path: Path) -> None:
    with log(tmp_path) as store:
        store.score(row(1, 1))
        before = store.statistics(), store.offsets()
        size = segments(tmp_path)[0].stat().st_size
        for room in (0, 1, 15):  # the whole frame, or its end, has no room
            with largest_file(size + room):
                with pytest.raises(StoreError, match="could not be written.*make room"):
                    store.score(row(2, 2))
                with pytest.raises(StoreError, match="could not be written"):
                    store.apply([("label", report(1, 1, 1))], {("labels", 0): 1})
            assert segments(tmp_path)[0].stat().st_size == size
            assert (store.statistics(), store.offsets()) == before
        assert store.score(row(2, 2))["count_5"] == 1
    with log(tmp_path) as store:
        assert store.lookup(row(3, 3))["count_5"] == 2


def test_a_disk_too_full_for_a_new_segment_is_an_error_until_there_is_room(tmp_path: Path) -> None:
    with log(tmp_path, segment_bytes=1) as store:
        store.score(row(1, 1))
        with largest_file(10), pytest.raises(StoreError, match="no new segment could be begun"):
            store.score(row(2, 2))
        assert store.score(row(2, 2))["count_5"] == 1
    assert not list((tmp_path / "log").glob("*.part"))
    with log(tmp_path) as store:
        assert store.statistics()["transactions"] == 2


def test_with_sync_always_the_disk_has_it_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))
    with log(tmp_path, sync="always") as store:
        store.score(row(1, 1))
        assert synced == [segments(tmp_path)[0].stat().st_size]
        store.apply([("transaction", row(t, t)) for t in range(2, 20)], {})
        assert len(synced) == 2  # one for the batch


def test_a_disk_that_does_not_confirm_is_an_error_and_nothing_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with log(tmp_path, sync="always") as store:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", fail)
            with pytest.raises(StoreError, match="Input/output error"):
                store.score(row(1, 1))
        assert store.statistics()["transactions"] == 0
    with log(tmp_path) as store:
        assert store.statistics()["transactions"] == 0


def test_when_the_log_cannot_be_mended_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with log(tmp_path) as store:
        store.score(row(1, 1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fail)
            patched.setattr(os, "ftruncate", fail)
            with pytest.raises(StoreError, match="could not be written"):
                store.score(row(2, 2))
        with pytest.raises(StoreError, match="is in doubt .* open it again"):
            store.score(row(2, 2))
    with log(tmp_path) as store:
        assert store.score(row(2, 2))["count_5"] == 1


def test_an_interruption_while_counting_is_noticed_and_repaired_by_opening_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with log(tmp_path) as store:
        store.score(row(1, 1))
        with monkeypatch.context() as patched:
            patched.setattr(store.plan.keys[1], "add", interrupt)  # one of three entities has it
            with pytest.raises(KeyboardInterrupt):
                store.score(row(2, 2))
        with pytest.raises(StoreError, match="interrupted while it counted.*Open it again"):
            store.score(row(3, 3))
        with pytest.raises(StoreError, match="interrupted"):
            store.lookup(row(3, 3))
    with log(tmp_path) as store:
        assert store.score(row(2, 2))["count_5"] == 1
        assert store.lookup(row(3, 3))["count_5"] == 2


def test_two_writers_on_one_folder_are_refused(tmp_path: Path) -> None:
    opening = (
        "import sys; from tests.features.event_streams import FEATURES;"
        "from fin_kedro.online import open_store; open_store(sys.argv[1], FEATURES)"
    )
    with log(tmp_path) as store:
        with pytest.raises(StoreError, match=f"open in another process .id {os.getpid()}.*Redis"):
            log(tmp_path)
        other = subprocess.run(
            [sys.executable, "-c", opening, f"log:{tmp_path / 'log'}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert other.returncode == 1 and "is open in another process" in other.stderr
        store.score(row(1, 1))  # the first one goes on
    with log(tmp_path) as store:
        assert store.statistics()["transactions"] == 1


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = log(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed; open it again"):
        store.score(row(1, 1))


@pytest.mark.parametrize(
    ("options", "told"), [({"sync": "never"}, "sync is 'never'; allowed: 'os', 'always'")]
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(StoreError, match=told):
        log(tmp_path, **options)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used as a store"):
        log(tmp_path)
    with pytest.raises(StoreError, match="needs a folder; write log:FOLDER"):
        open_store("log:", FEATURES)


def test_the_log_stays_as_large_as_what_can_still_count(tmp_path: Path) -> None:
    options: dict[str, Any] = {"segment_bytes": 2_000, "lateness_us": 20}
    sizes = []
    with log(tmp_path, **options) as store:
        store.apply([], {("transactions", 0): 5, ("labels", 0): 3})
        for t in range(2_000):
            store.score(row(t, t))
            if t % 3 == 0:
                store.learn(report(t, t + 4, t))  # four moments before its transaction
            sizes.append(store.statistics()["log_bytes"])
        answer = store.lookup(row("next", 2_000))
        numbers = [int(path.stem) for path in segments(tmp_path)]
    assert max(sizes[1_000:]) < 20_000 and max(sizes) < 20_000
    assert numbers[0] > 20
    with log(tmp_path, **options) as store:  # what was deleted is not missed
        assert store.lookup(row("next", 2_000)) == answer
        assert store.offsets() == {("transactions", 0): 5, ("labels", 0): 3}
        assert store.statistics()["transactions"] >= 32


@pytest.mark.parametrize("seed", range(6))
def test_opened_again_at_any_time_the_answers_are_those_of_a_store_left_open(
    tmp_path: Path, seed: int
) -> None:
    events = nearly_ordered(seed, lateness=5, length=300)
    options: dict[str, Any] = {"segment_bytes": 700, "lateness_us": 5}
    with open_store("memory:", FEATURES, lateness_us=5, ahead_us=None) as left_open:
        for start in range(0, len(events), 11):
            with log(tmp_path, **options) as store:
                part = events[start : start + 11]
                assert store.apply(part, {}) == left_open.apply(part, {})


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    with log(tmp_path) as store:
        store.score(row(1, 1))
        assert segments(tmp_path)[0].stat().st_mode & 0o077 == 0


def test_a_restore_that_fails_is_undone_and_nothing_is_acknowledged_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store("memory:", FEATURES, **OPTIONS) as full:
        full.apply([("transaction", row(t, t)) for t in range(200)], {("transactions", 0): 9})
        full.snapshot(tmp_path / "saved")
    with log(tmp_path) as store:
        with largest_file(2_000), pytest.raises(StoreError, match="could not be written"):
            store.restore(tmp_path / "saved")
        for refused in (store.score, store.lookup):
            with pytest.raises(StoreError, match="in doubt"):
                refused(row(1, 1))
    with log(tmp_path) as store:
        assert "a restore into" in caplog.text and "restore again" in caplog.text
        store.restore(tmp_path / "saved")
    with log(tmp_path) as store:
        assert store.offsets() == {("transactions", 0): 9}
        assert store.statistics()["transactions"] == 200
