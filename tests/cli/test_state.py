"""`kedro state` in a small project: from history and a stream to features, and back from a file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import ibis
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from fin_kedro.cli.state import state_group
from fin_kedro.online import open_store
from fin_kedro.project.evidence import open_catalog
from tests import commands
from tests.conftest import QUIET, ROOT, copy_project
from tests.online.stream import FEATURES, TRANSACTIONS, Broker, parameters, stream_of_events

EVENTS = stream_of_events(400, seed=5)
HISTORY, STREAM = EVENTS[:300], EVENTS[300:]


@pytest.fixture(scope="module")
def broker() -> Broker:
    found = Broker()
    found.send_all(STREAM)
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with history in its catalog."""
    project = copy_project(tmp_path_factory.mktemp("state") / "project")
    set_parameters(project, servers="127.0.0.1:1")
    catalog = open_catalog(project_path=project, env="own")
    for kind, name in (("transaction", "transactions"), ("label", "labels")):
        rows = pd.DataFrame([row for k, row in HISTORY if k == kind]).drop_duplicates()
        catalog.save(f"fraud.accepted_{name}", ibis.memtable(rows))
    return project


@pytest.fixture
def project(template: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with the stream's address and an empty store; commands are typed in it."""
    set_parameters(template, servers=broker.servers)
    for file in sorted((template / "data/online").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    monkeypatch.chdir(template)
    return template


def set_parameters(project: Path, servers: str, **online: Any) -> None:
    """Write the environment `own`: statistics of these tests, a store, a stream."""
    place = {"file": str(project / "data/online/letters.jsonl")}
    stream = parameters(servers, dead_letters=place, connect_seconds=2)
    given = {
        "features": {"statistics": "tests.online.stream:FEATURES"},
        "online": {"store": f"log:{project / 'data/online/store'}", "stream": stream, **online},
    }
    (project / "conf/own").mkdir(exist_ok=True)
    (project / "conf/own/parameters_fraud.yml").write_text(yaml.safe_dump({"fraud": given}))


def typed(*arguments: str, **more: Any) -> Result:
    """Type a command; return what it said."""
    return CliRunner().invoke(state_group, [*arguments, "--env", "own"], **more)


def shown(*arguments: str, **more: Any) -> dict[str, Any]:
    """Type a command that answers in JSON."""
    result = typed(*arguments, **more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def expected(events: list[tuple[str, dict[str, Any]]], row: dict[str, Any]) -> dict[str, Any]:
    """What a store in memory says after the events."""
    with open_store("memory:", FEATURES) as store:
        store.apply(events, {})
        return store.lookup(row)


def probe() -> dict[str, Any]:
    """Return a transaction to come."""
    moment = max(row["known_us"] for _, row in EVENTS) + 1
    _, row = next(event for event in EVENTS if event[0] == "transaction")
    return {**row, "transaction_id": 10**9, "event_us": moment, "known_us": moment}


def test_history_and_stream_become_features(project: Path) -> None:
    warmed = typed("warm", "fraud")
    transactions = {row["transaction_id"] for kind, row in HISTORY if kind == "transaction"}
    assert f"fraud: {len(transactions)} transactions and" in warmed.output
    assert "Next: kedro state consume fraud --env own" in warmed.output
    (project / "row.json").write_text(json.dumps(probe()))
    assert shown("lookup", "fraud", "--file", "row.json") == expected(HISTORY, probe())
    consumed = typed("consume", "fraud", "--until-end")
    assert consumed.exit_code == 0 and "lag 0" in consumed.output
    assert shown("lookup", "fraud", "--file", "-", input=json.dumps(probe())) == expected(
        EVENTS, probe()
    )


def test_warming_twice_changes_nothing(project: Path) -> None:
    typed("warm", "fraud")
    once = shown("show", "fraud")
    typed("warm", "fraud")
    again = shown("show", "fraud")
    assert again["transactions"] == once["transactions"] > 0
    assert again["labels"] == once["labels"] > 0


def test_show_says_what_there_is(project: Path, broker: Broker) -> None:
    typed("consume", "fraud", "--until-end")
    told = shown("show", "fraud")
    sent = {row["transaction_id"] for kind, row in STREAM if kind == "transaction"}
    assert told["transactions"] == len(sent) and told["horizon_days"] == 30
    assert told["newest_us"] == max(r["known_us"] for k, r in STREAM if k == "transaction")
    assert told["newest"].startswith("2023-11-1") and told["newest"].endswith("UTC")
    ends = broker.ends(TRANSACTIONS)
    assert told["offsets"][TRANSACTIONS] == {str(p): end for (_, p), end in ends.items()}


def test_a_snapshot_is_restored_into_an_empty_store(project: Path) -> None:
    typed("warm", "fraud")
    typed("consume", "fraud", "--until-end")
    before = shown("show", "fraud")
    assert typed("snapshot", "fraud", "saved").exit_code == 0
    refused = typed("snapshot", "fraud", "saved")
    assert refused.exit_code == 1 and "saved exists already" in refused.output
    assert "an empty store" in typed("restore", "fraud", "saved").output
    (project / "data/online/store").rename(project / "data/online/old")
    assert typed("restore", "fraud", "saved").exit_code == 0
    after = shown("show", "fraud")
    for name in ("transactions", "labels", "newest", "offsets"):
        assert after[name] == before[name], name
    again = typed("consume", "fraud", "--until-end")
    assert "0 transactions, 0 labels" in again.output


def test_without_a_file_the_contracts_example_is_looked_up(project: Path) -> None:
    assert shown("lookup", "fraud")["customer_count"] == 0


def test_a_transaction_that_breaks_the_contract_is_not_looked_up(project: Path) -> None:
    result = typed("lookup", "fraud", "--file", "-", input=json.dumps({**probe(), "place_x": -1}))
    assert result.exit_code == 1 and "place_x: -1 is below 0" in result.output


@pytest.mark.parametrize("workflow", ["credit", "loans"])
def test_a_workflow_without_state(project: Path, workflow: str) -> None:
    result = typed("show", workflow)
    assert result.exit_code == 1
    assert f"'{workflow}' keeps no state online" in result.output
    assert "Those that do: fraud." in result.output


@pytest.mark.parametrize(
    ("online", "said"),
    [
        ({"store": "floppy:a"}, "store 'floppy:a' is of no known kind"),
        ({"store": None}, "parameter fraud.online.store is not set"),
        ({"stream": None}, "parameter fraud.online.stream is not set"),
        (
            {"stream_credentials": "kafka"},
            "names the credentials 'kafka'; add them to conf/own/credentials.yml",
        ),
        ({"store_options": {"sync": "never"}}, "sync is 'never'. Allowed: os or always"),
    ],
)
def test_what_conf_lacks_is_said(project: Path, online: dict[str, Any], said: str) -> None:
    set_parameters(project, servers="127.0.0.1:1", **online)
    result = typed("consume", "fraud")
    assert result.exit_code == 1 and said in result.output, result.output


def test_no_broker_is_said_in_a_sentence(project: Path) -> None:
    set_parameters(project, servers="127.0.0.1:1")
    result = typed("consume", "fraud")
    assert result.exit_code == 1
    assert "StreamError: no Kafka broker answers at 127.0.0.1:1 within 2 s" in result.output


def test_secrets_reach_the_client(project: Path, broker: Broker) -> None:
    set_parameters(project, servers=broker.servers, stream_credentials="kafka")
    secrets = project / "conf/own/credentials.yml"
    secrets.write_text(yaml.safe_dump({"kafka": {"security.protocol": "WHISPER"}}))
    result = typed("consume", "fraud", "--until-end")
    secrets.unlink()
    assert result.exit_code == 1
    assert 'librdkafka says Invalid value "WHISPER"' in result.output


def test_a_specification_that_cannot_be_imported(project: Path) -> None:
    path = project / "conf/own/parameters_fraud.yml"
    path.write_text(path.read_text().replace("stream:FEATURES", "stream:NOTHING"))
    result = typed("show", "fraud")
    assert result.exit_code == 1
    assert "fraud.features.statistics is 'tests.online.stream:NOTHING'" in result.output
    assert "e.g. 'fin_kedro.features.fraud_statistics:fraud_statistics'" in result.output


def test_the_local_broker_of_the_documentation(project: Path) -> None:
    script = str(ROOT / "docs/examples/stream/local_broker.py")
    with started(script, folder=project, environment=commands.settled(os.environ)) as (_, said):
        lines = [said.readline() for _ in range(3)]
        servers = lines[2].split()[2].rstrip(";")
        consumed = typed("consume", "fraud", "--until-end", "--servers", servers)
    assert consumed.exit_code == 0, consumed.output
    transactions, labels = (int(line.split()[0]) for line in lines[:2])
    told = shown("show", "fraud")
    assert (told["transactions"], told["labels"]) == (transactions, labels)
    assert f"{transactions} transactions, {labels} labels, 1 dead letters" in consumed.output
    (letter,) = (project / "data/online/letters.jsonl").read_text().splitlines()
    assert json.loads(letter)["value"] == "this is no JSON"


@contextlib.contextmanager
def started(
    *arguments: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[Any, IO[str]]]:
    """A running command and what it says; it is asked to end at the end."""
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as said:
        process = commands.start(
            arguments, folder=folder, environment={**environment, **QUIET, "PYTHONPATH": path},
            stdout=writing, stderr=writing,
        )  # fmt: skip
        os.close(writing)
        try:
            yield process, said
        finally:
            process.terminate()
            process.wait(10)


def applied(store: Path, copy: Path) -> int:
    """How many transactions there are in a store that another process has open."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    with open_store(f"log:{copy}", FEATURES) as found:
        return found.statistics()["transactions"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_consumer_ends_at_a_signal_and_goes_on_later(
    project: Path, tmp_path: Path, number: signal.Signals
) -> None:
    consume = ("-m", "kedro", "state", "consume", "fraud", "--env", "own")
    with started(*consume, folder=project, environment=os.environ) as (process, said):
        assert "reading" in said.readline()
        busy = typed("show", "fraud")
        assert busy.exit_code == 1 and "is open in another process" in busy.output
        deadline = time.monotonic() + 60
        while not applied(project / "data/online/store", tmp_path / "copy"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(60) == 0
        assert "stopped: " in said.read()
    assert shown("show", "fraud")["transactions"] > 0
