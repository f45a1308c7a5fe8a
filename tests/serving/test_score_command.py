"""`kedro score`: asks a running service for what it takes, then for a decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fin_kedro.cli.commands import cli

from .conftest import Server, free_port
from .tiny_live import transaction


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["score", *arguments])


@pytest.mark.parametrize(
    ("fixture", "workflow", "decision"),
    [("server", "credit", "approve"), ("live_server", "fraud", "allow")],
)
def test_without_a_file_the_contracts_example_is_sent(
    request: pytest.FixtureRequest, fixture: str, workflow: str, decision: str
) -> None:
    server: Server = request.getfixturevalue(fixture)
    done = run(workflow, "--url", server.url)
    assert done.exit_code == 0, done.output
    [found] = json.loads(done.output)["decisions"]
    assert found["decision"] == decision
    assert found["model"]["workflow"] == workflow


def test_a_file_is_sent_as_it_is(live_server: Server, tmp_path: Path) -> None:
    row = transaction(1, transaction_id=900_000_001, customer_id=900_000_001)
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"transactions": [row], "explain": True}))
    done = run("fraud", "--url", live_server.url, "--file", str(path))
    [found] = json.loads(done.output)["decisions"]
    assert (found["transaction_id"], "history" in found) == (900_000_001, True)


def test_a_refusal_is_shown_and_an_error(live_server: Server, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"transactions": []}')
    done = run("fraud", "--url", live_server.url, "--file", str(path))
    assert done.exit_code == 1
    assert "transactions is empty" in done.output


def test_without_a_service_it_says_how_to_start_one() -> None:
    done = run("fraud", "--url", f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == 1
    assert "`kedro release fraud`" in done.output
