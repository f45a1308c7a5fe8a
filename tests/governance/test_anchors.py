"""Attacks on the whole ledger: signatures taken off, the file rolled back, replaced or deleted."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fin_kedro.governance.anchors import NEWEST, keep_heads, name_of, tag_of, visible_anchors
from fin_kedro.governance.approval import approve, approved_release, conditions
from fin_kedro.governance.ledger import Ledger, LedgerError
from fin_kedro.governance.signing import KEY_VARIABLE
from tests.governance.test_ledger import chained, rewrite, rows_of

NAME = "data/governance/ledger.sqlite"
POLICY = {"roles": ["model_validator"], "shortest_comment": 3}
UNDER = conditions("base", {})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A project whose ledger holds a trained and a validated version."""
    (tmp_path / "conf/base").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    found = Ledger(tmp_path / NAME)
    for event in ("registered", "validated"):
        found.append(event=event, workflow="credit", version="1", digest="d", by="Ada")
    return found


def seal(ledger: Ledger, run: str, head: str | None = None) -> None:
    """What a run leaves of the ledger's head in its seal."""
    path = ledger.path.parents[1] / f"08_reporting/seal.json/{run}/seal.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"occasion": {"ledgers": {NAME: head or ledger.head()}}}))


def tag(ledger: Ledger, table: str = "tags") -> None:
    """What MLflow's own tables keep, with their columns as MLflow 3 makes them."""
    path = ledger.path.parents[1] / "mlflow/mlflow.db"
    path.parent.mkdir(exist_ok=True)
    ((key, value),) = tag_of({str(ledger.path): ledger.head() or ""}).items()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS tags (key, value, run_uuid)")
        connection.execute("CREATE TABLE IF NOT EXISTS model_version_tags (key,value,name,version)")
        row = (key, value, "r1") if table == "tags" else (key, value, "credit", 1)
        connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    connection.close()


COMMANDS: dict[str, Callable[[Ledger], object]] = {
    "models": lambda ledger: ledger.verify(),
    "approve": lambda ledger: approve(
        ledger=ledger, workflow="credit", version=None, by="Bo", role="model_validator",
        comment="read", policy=POLICY, under=UNDER,
    ),
    "release": lambda ledger: approved_release(ledger, "credit", under=UNDER),
    "run": lambda ledger: ledger.check_anchors(),
}  # fmt: skip


def downgrade(path: Path) -> None:
    """Rewrite who trained, hash anew, and drop what could tell: signatures and their keys."""
    rows = [r._replace(text=r.text.replace("Ada", "Eve"), key=None) for r in rows_of(path)]
    rewrite(path, chained(rows))
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE signatures; DROP TABLE signers")
    connection.close()


@pytest.mark.parametrize("command", ["models", "approve", "release"])
def test_signature_downgrade(ledger: Ledger, command: str) -> None:
    downgrade(ledger.path)
    with pytest.raises(LedgerError, match=r"entry 1: it is not signed.*signers\.yml lets 0"):
        COMMANDS[command](ledger)
    assert len(ledger.entries()) == 2


def test_signature_downgrade_under_a_count_that_is_committed(ledger: Ledger) -> None:
    """Old entries count to their number and by the hash of the last one."""
    listed = ledger.path.parents[2] / "conf/base/signers.yml"
    listed.write_text(f"unsigned: 2\nunsigned_head: {ledger.entries()[1].hash}\n")
    downgrade(ledger.path)
    with pytest.raises(LedgerError, match="entry 2: .*knows it by another hash"):
        ledger.verify()


ROLLED = {
    "yesterdays_copy": lambda path, copy: shutil.copy(copy, path),
    "deleted": lambda path, copy: path.unlink(),
    "emptied": lambda path, copy: path.write_bytes(b""),
    "begun_anew": lambda path, copy: [
        path.unlink(), *(Ledger(path).append(event="x", by="Eve") for _ in range(4)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kept", ["seal", "beside", "tags", "model_version_tags"])
@pytest.mark.parametrize("attack", ROLLED)
def test_ledger_rolled_back(ledger: Ledger, tmp_path: Path, attack: str, kept: str) -> None:
    copy = Path(shutil.copy(ledger.path, tmp_path / "yesterday"))
    copy_head = ledger.head()
    entry = ledger.append(event="failed", workflow="credit", version="1", digest="d", by="Ada")
    if kept == "seal":
        seal(ledger, "2026-01-01T00.00.00.000Z")
    elif kept == "beside":  # the seal knows what was there before its own entry
        seal(ledger, "2026-01-01T00.00.00.000Z", copy_head)
        run = tmp_path / "data/08_reporting/seal.json/2026-01-01T00.00.00.000Z/seal.json"
        keep_heads(run, {str(ledger.path): entry.head})
    else:
        tag(ledger, kept)
    ledger.verify()
    ledger.append(event="x", by="Ada")
    ledger.verify()  # it may grow
    ROLLED[attack](ledger.path, copy)
    where = {
        "seal": "the seal of run 2026",
        "beside": "the seal of run 2026",
        "tags": "run r1",
    }.get(kept, "model version credit 1")
    for command in COMMANDS.values():
        with pytest.raises(LedgerError, match=f"{where}.*entry 3 .{entry.hash[:12]}.*backup"):
            command(ledger)


def test_ledger_rolled_back_and_then_added_to(ledger: Ledger, tmp_path: Path) -> None:
    """New entries do not hide the ones that are gone: MLflow is asked for every head it has."""
    copy = Path(shutil.copy(ledger.path, tmp_path / "yesterday"))
    ledger.append(event="failed", by="Ada")
    tag(ledger)
    shutil.copy(copy, ledger.path)
    ledger.append(event="approved", by="Eve")
    ledger.append(event="x", by="Eve")
    tag(ledger)
    with pytest.raises(LedgerError, match="entry 3 .*its entry 3 is another one"):
        ledger.verify()


def test_anchors_of_another_ledger_and_records_that_cannot_be_read_say_nothing(
    ledger: Ledger, tmp_path: Path
) -> None:
    runs = [f"2026-01-0{day}" for day in range(1, 6)]
    for run in runs:
        seal(ledger, run)
    other = Ledger(tmp_path / "data/other/ledger.sqlite")
    other.append(event="x")
    assert visible_anchors(other.path) == []
    folder = tmp_path / "data/08_reporting/seal.json"
    (folder / runs[4] / "seal.json").write_text("{")
    (tmp_path / "data/mlflow").mkdir()
    (tmp_path / "data/mlflow/mlflow.db").write_text("no database")
    found = visible_anchors(ledger.path)
    assert [a.where[-1] for a in found] == ["4", "3"]  # of the newest three one is spoilt
    assert NEWEST == 3
    assert name_of(ledger.path) == NAME
    assert f"{found[0].number}:{found[0].hash}" == ledger.head() == ledger.entries()[-1].head


def test_a_ledger_moved_with_its_project_is_whole(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "key.pem"))
    seal(ledger, "2026-01-01")
    tag(ledger)
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path, moved, ignore=shutil.ignore_patterns("moved"))
    assert len(visible_anchors(moved / NAME)) == 2
    Ledger(moved / NAME).verify()


def test_the_database_in_use_counts_in_its_own_project_only(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag(ledger)  # a process that opened this project, and then another with a ledger called alike
    other = tmp_path / "elsewhere/other"
    (other / "conf/base").mkdir(parents=True)
    (other / "pyproject.toml").touch()
    used = f"sqlite:///{tmp_path}/data/mlflow/mlflow.db"
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(get_tracking_uri=lambda: used))
    (moved := Ledger(other / NAME)).check_anchors()
    assert visible_anchors(moved.path) == []
    assert len(visible_anchors(ledger.path)) == 1
