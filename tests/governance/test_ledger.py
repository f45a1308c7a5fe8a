"""The ledger: appended by many, changed by none; what was changed anyway is found."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fin_kedro.governance.ledger import Ledger, LedgerError
from tests.conftest import ROOT

WRITER = """
import sys
from fin_kedro.governance.ledger import Ledger
ledger = Ledger(sys.argv[1])
for i in range(int(sys.argv[3])):
    ledger.append(event="registered", workflow=sys.argv[2], version=str(i), padding="x" * 2000)
    print(i, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that appends ``count`` events."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.sqlite")
    for version in ("1", "2", "3"):
        found.append(event="registered", workflow="credit", version=version, by="Ada")
    return found


def tamper(tmp_path: Path, *statements: str) -> None:
    """Change the file as someone with SQLite could: without the triggers."""
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        for statement in ("DROP TRIGGER no_update", "DROP TRIGGER no_delete", *statements):
            connection.execute(statement)


def test_entries_come_back_in_order_and_by_their_fields(ledger: Ledger) -> None:
    assert [e.number for e in ledger.entries()] == [1, 2, 3]
    assert [e.event["version"] for e in ledger.entries(workflow="credit", version="2")] == ["2"]
    assert ledger.entries(workflow="fraud") == []


def test_the_chain_holds_and_ends_in_its_head(ledger: Ledger) -> None:
    entries = ledger.entries()
    assert ledger.verify() == entries[-1].hash
    assert [e.previous for e in entries] == ["0" * 64, entries[0].hash, entries[1].hash]


@pytest.mark.parametrize("exists", [False, True], ids=["no file", "empty file"])
def test_a_ledger_without_entries_is_empty_and_whole(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "deep" / "ledger.sqlite"
    if exists:
        path.parent.mkdir()
        path.touch()
    ledger = Ledger(path)
    assert ledger.entries() == []
    assert ledger.verify() == "0" * 64
    assert ledger.append(event="registered").number == 1


CHANGES = {
    "an edited event": "UPDATE ledger SET event = replace(event, 'Ada', 'Eve') WHERE number = 2",
    "an event edited where JSON does not see it": "UPDATE ledger SET event = "
    """replace(event, '{', '{"by": "Eve", ') WHERE number = 2""",
    "an event that is no JSON": "UPDATE ledger SET event = 'x' WHERE number = 2",
    "an edited time": "UPDATE ledger SET at = '2020-01-01' WHERE number = 2",
    "an edited hash": "UPDATE ledger SET hash = 'x' WHERE number = 2",
    "an edited link": "UPDATE ledger SET previous = 'x' WHERE number = 2",
    "a removed entry": "DELETE FROM ledger WHERE number = 2",
    "an inserted entry": "INSERT INTO ledger SELECT 4, at, event, hash, 'x' FROM ledger "
    "WHERE number = 3",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_behind_its_back_is_found(ledger: Ledger, tmp_path: Path, what: str) -> None:
    tamper(tmp_path, CHANGES[what])
    place = 4 if "inserted" in what else 2
    with pytest.raises(LedgerError, match=f"broken at entry {place}: .*Restore the file"):
        ledger.verify()


def test_a_renumbered_removal_is_found(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, CHANGES["a removed entry"], "UPDATE ledger SET number = 2 WHERE number = 3")
    with pytest.raises(LedgerError, match="broken at entry 2"):
        ledger.verify()


def test_reading_an_event_that_is_no_json_says_so(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, CHANGES["an event that is no JSON"])
    with pytest.raises(LedgerError, match="broken at entry 2"):
        ledger.entries()


@pytest.mark.parametrize("statement", ["UPDATE ledger SET at = 'x'", "DELETE FROM ledger"])
def test_the_file_itself_refuses_changes(ledger: Ledger, tmp_path: Path, statement: str) -> None:
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append only"),
    ):
        connection.execute(statement)
    assert len(ledger.entries()) == 3


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be read"):
        Ledger(path).verify()
    with pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be read or written"):
        Ledger(path).append(event="registered")


def test_two_processes_append_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    both = [writer(path, name, 50) for name in ("credit", "fraud")]
    assert [process.wait(60) for process in both] == [0, 0]
    ledger = Ledger(path)
    ledger.verify()
    for name in ("credit", "fraud"):
        found = [e.event["version"] for e in ledger.entries(workflow=name)]
        assert found == [str(i) for i in range(50)]


def test_a_killed_writer_leaves_whole_entries(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    said = -1
    for delay in (0.0, 0.011, 0.023):
        process = writer(path, "credit", 100_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().splitlines() if line]
        process.wait(10)
        process.stdout.close()
        said += 1 + len(rest)  # each process says what it recorded
        entries = Ledger(path).entries()
        assert Ledger(path).verify() == entries[-1].hash
        assert said < len(entries) <= said + 1 + 3  # nothing said is lost; at most one was unsaid
    assert Ledger(path).append(event="registered").number == len(entries) + 1


def test_a_full_disk_records_nothing_and_says_so(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = Ledger._connect

    def small(self: Ledger) -> sqlite3.Connection:
        connection = connect(self)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite keeps what there is, adds nothing
        return connection

    before = ledger.entries()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_connect", small)
        with pytest.raises(LedgerError, match="full.*Nothing was recorded; free the disk"):
            ledger.append(event="approved", comment="x" * 100_000)
    assert ledger.entries() == before
    ledger.append(event="approved")
    ledger.verify()


def test_paths_are_kept_as_seen_from_the_ledger(ledger: Ledger, tmp_path: Path) -> None:
    kept = ledger.relative(tmp_path / "models" / "package")
    assert kept == "models/package"
    moved = Ledger(tmp_path / "elsewhere" / "ledger.sqlite")
    assert moved.resolve(kept) == (tmp_path / "elsewhere/models/package").resolve()
