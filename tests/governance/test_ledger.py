"""The ledger: appended by many, changed by none; what was changed anyway is found."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.governance.ledger import Ledger, LedgerError, _Row
from fin_kedro.governance.signing import (
    KEY_FILE,
    KEY_VARIABLE,
    SIGNERS_FILE,
    SigningError,
    SigningKey,
    signing_key,
)
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
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for statement in (*(f"DROP TRIGGER {name}" for (name,) in names.fetchall()), *statements):
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


# Signatures: what an attacker does who computes every hash anew


def rows_of(path: Path) -> list[_Row]:
    return Ledger(path)._rows()


def rewrite(path: Path, rows: list[_Row]) -> None:
    """Write a ledger anew with these rows, whatever they hold."""
    path.unlink(missing_ok=True)
    with Ledger(path)._transaction() as connection:
        for row in rows:
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", row[:5])
            if row.key:
                connection.execute(
                    "INSERT OR IGNORE INTO signers VALUES (?, ?)", (row.key, row.public)
                )
                signed = (row.number, row.key, row.signature)
                connection.execute("INSERT INTO signatures VALUES (?, ?, ?)", signed)


def chained(rows: list[_Row], key: SigningKey | None = None) -> list[_Row]:
    """The rows numbered and hashed anew; signed anew too, by ``key``, if one is given."""
    previous, made = "0" * 64, []
    for number, row in enumerate(rows, 1):
        text = f"{number}\n{row.at}\n{row.text}\n{previous}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        new = row._replace(number=number, previous=previous, hash=digest)
        if key is not None:
            signed = key.sign(new.signed)
            new = new._replace(key=key.signer.key, public=key.signer.text, signature=signed)
        made.append(new)
        previous = digest
    return made


def edited(rows: list[_Row], place: int) -> list[_Row]:
    changed = rows[place]._replace(text=rows[place].text.replace("Ada", "Eve"))
    return [*rows[:place], changed, *rows[place + 1 :]]


ATTACKS = {
    "edited and chained anew": lambda rows, n: chained(edited(rows, n)),
    "removed and chained anew": lambda rows, n: chained([*rows[:n], *rows[n + 1 :]]),
    "repeated and chained anew": lambda rows, n: chained([*rows[:n], rows[n - 1], *rows[n:]]),
    "its signature taken off": lambda rows, n: [
        row._replace(key=None) if place == n else row for place, row in enumerate(rows)
    ],
    "another entry's signature": lambda rows, n: [
        row._replace(signature=rows[n - 1].signature) if place == n else row
        for place, row in enumerate(rows)
    ],
    "another key under the same name": lambda rows, n: [
        row._replace(public=FOREIGN.signer.text) for row in rows
    ],
}
FOREIGN = signing_key(Path(os.environ[KEY_VARIABLE]).with_name("foreign.pem"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of six signed entries; read only."""
    path = tmp_path_factory.mktemp("signed") / "ledger.sqlite"
    for version in range(6):
        Ledger(path).append(event="approved", version=str(version), by="Ada")
    return path


@settings(max_examples=20)
@given(what=st.sampled_from(sorted(ATTACKS)), place=st.integers(1, 4))
def test_what_is_hashed_anew_but_not_signed_anew_is_found(
    signed: Path, what: str, place: int
) -> None:
    path = signed.with_name("attacked.sqlite")
    rewrite(path, ATTACKS[what](rows_of(signed), place))
    first = 0 if "same name" in what else place
    with pytest.raises(LedgerError, match=f"broken at entry {first + 1}: .*(sign|key)"):
        Ledger(path).verify()


def test_an_entry_says_who_signed_it(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(shutil.copy(signed, signed.with_name("two.sqlite")))
    own = ledger.prepare().signer
    monkeypatch.setenv(KEY_VARIABLE, str(Path(os.environ[KEY_VARIABLE]).with_name("foreign.pem")))
    ledger.append(event="approved", by="Bo")
    assert ledger.verify() == ledger.entries()[-1].hash
    assert ledger.signers() == [own, FOREIGN.signer]
    assert [ledger.signed_by(e) for e in ledger.entries()[-2:]] == [own.key, FOREIGN.signer.key]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a ledger of one entry that is older than signing, and one that is signed."""
    monkeypatch.delenv(KEY_VARIABLE)
    (tmp_path / "conf/base").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "data/ledger.sqlite"
    path.parent.mkdir()
    old = _Row(0, "2026-01-01", '{"by": "Ada", "event": "registered"}', "", "", None, None, None)
    rewrite(path, chained([old]))
    with sqlite3.connect(path) as connection:  # as it was written then
        connection.executescript("DROP TABLE signatures; DROP TABLE signers")
    with pytest.raises(LedgerError, match="entry 1: .*lets 0 of the first.*unsigned_head"):
        Ledger(path).verify()
    known = rows_of(path)[0].hash
    trust(path, None, unsigned=1, unsigned_head=known)
    assert Ledger(path).verify() == known
    Ledger(path).append(event="approved", by="Ada")
    return path


def trust(ledger: Path, signers: dict[str, str] | None, **more: int | str) -> None:
    listed = {**({} if signers is None else {"signers": signers}), **more}
    (ledger.parents[1] / SIGNERS_FILE).write_text(yaml.safe_dump(listed))


def test_a_key_is_made_in_the_project_and_old_entries_stay(house: Path) -> None:
    key = house.parents[1] / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key.parent.iterdir()] == [key.name]
    first, second = Ledger(house).entries()
    assert "older than signing" in Ledger(house).signed_by(first)
    assert second.signer == signing_key(key).signer.key
    whole = rows_of(house)
    rewrite(house, edited(whole, 0))  # no signature covers it, but the chain does
    with pytest.raises(LedgerError, match="broken at entry 1: it was changed"):
        Ledger(house).verify()
    rewrite(house, whole)
    rewrite(house, chained(edited(rows_of(house), 0)))
    with pytest.raises(LedgerError, match="broken at entry 1: .*knows it by another hash"):
        Ledger(house).verify()


def test_only_listed_keys_may_sign(house: Path) -> None:
    own = signing_key(house.parents[1] / KEY_FILE).signer
    trust(house, {"ada": own.text})
    with pytest.raises(LedgerError, match="entry 1: it is not signed, .* lets 0 of the first"):
        Ledger(house).verify()
    trust(house, {"ada": own.text}, unsigned=1)
    with pytest.raises(LedgerError, match="entry 1: .*`unsigned_head` is missing"):
        Ledger(house).verify()
    trust(house, {"ada": own.text}, unsigned=1, unsigned_head=rows_of(house)[0].hash)
    Ledger(house).verify()
    assert Ledger(house).signed_by(Ledger(house).entries()[1]) == f"ada ({own.key})"
    rows = rows_of(house)
    rewrite(house, chained(edited(rows, 0), FOREIGN))  # all of it made anew, by his own key
    with pytest.raises(LedgerError, match=f"entry 1: .*{FOREIGN.signer.fingerprint}.*not list"):
        Ledger(house).verify()
    trust(house, {"ada": "no key"})
    with pytest.raises(SigningError, match=r"signers\.yml cannot be read.*kedro seal signers"):
        Ledger(house).verify()


def test_a_cut_tail_is_found_by_its_signatures_or_a_head_kept_elsewhere(
    ledger: Ledger, tmp_path: Path
) -> None:
    head = ledger.entries()[-1].head
    ledger.verify(head=head)
    tamper(tmp_path, "DELETE FROM ledger WHERE number = 3")
    with pytest.raises(LedgerError, match="entry 3: entries up to 3 were signed"):
        ledger.verify()
    tamper(tmp_path, "DELETE FROM signatures WHERE number = 3")
    ledger.verify()
    with pytest.raises(LedgerError, match="entry 3: the head kept elsewhere is entry 3"):
        ledger.verify(head=head)
    with pytest.raises(LedgerError, match="entry 2: it is not the one whose head"):
        ledger.verify(head=f"2:{head[2:]}")
    with pytest.raises(LedgerError, match="write NUMBER:HASH"):
        ledger.verify(head="2")


def test_without_a_key_nothing_is_recorded_and_the_next_step_is_said(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no.pem").write_text("no key")
    for named, words in (
        ("no.pem", "holds no Ed25519"),
        ("no.pem/x.pem", "cannot be read or made"),
    ):
        monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / named))
        with pytest.raises(SigningError, match=f"{words}.*Nothing was recorded.*(move it|name an)"):
            ledger.append(event="approved")
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SigningError, match="lies in no project"):
        ledger.append(event="approved")
    assert len(ledger.entries()) == 3


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


def test_two_processes_append_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "key.pem"))  # the first writer makes it
    both = [writer(path, name, 50) for name in ("credit", "fraud")]
    assert [process.wait(60) for process in both] == [0, 0]
    ledger = Ledger(path)
    ledger.verify()
    assert ledger.signers() == [signing_key(tmp_path / "key.pem").signer]
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
