"""A run that stops says what failed on which data, and the command it prints does the rest."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import kedro
from tests.end_to_end.evidence import ledger_events, newest, read_json

pytestmark = pytest.mark.slow

LEDGER = "data/governance/ledger.sqlite"
STRICT = """\
gates:
  DIS-AUC:
    limits: {min: 0.999, low_min: 0.9}
"""


def resume_command(stderr: str) -> list[str]:
    """The arguments of the printed ``kedro ...``."""
    found = re.search(r"resume when mended: kedro (.+)", stderr)
    assert found, stderr
    return shlex.split(found.group(1))


def test_a_failing_node_is_named_and_the_printed_command_resumes(trained_copy: Path) -> None:
    reports = trained_copy / "data/08_reporting/credit"
    before = newest(reports / "parity.json"), newest(reports / "metrics.json")
    stopped = kedro(
        trained_copy, "run", "--env", "ci", "--from-nodes", "credit.score_rows",
        "--params", "parity.max_abs_diff=0",
    )  # fmt: skip
    assert stopped.returncode == 1
    for words in (
        "credit.check_parity failed",
        "gate parity",
        "limit 0",
        "credit.champion_graph (20",
    ):
        assert words in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert newest(reports / "parity.json") == before[0]
    assert ledger_events(trained_copy / LEDGER) == ["registered", "validated"]

    command = resume_command(stopped.stderr)
    assert command[:3] == ["run", "--env", "ci"]
    assert "credit.score_rows" not in " ".join(command), "what was done is not done again"
    resumed = kedro(trained_copy, *command)
    assert resumed.returncode == 0, resumed.stderr
    assert newest(reports / "parity.json") != before[0]
    assert newest(reports / "metrics.json") != before[1], "branches that had not run run too"
    events = ledger_events(trained_copy / LEDGER)
    assert events == ["registered", "validated"] * 2


def test_a_failed_gate_fails_the_run_and_keeps_the_evidence(trained_copy: Path) -> None:
    (trained_copy / "conf/ci/policy.yml").write_text(STRICT)
    start = ("run", "--env", "ci", "--from-nodes", "credit.assemble_candidate")
    stopped = kedro(trained_copy, *start)
    assert stopped.returncode == 1
    for words in ("DIS-AUC", "0.78", "limit >= 0.999", "model_validation.html"):
        assert words in stopped.stderr, stopped.stderr
    assert "Traceback" not in stopped.stderr

    reports = trained_copy / "data/08_reporting/credit"
    assert len(list((reports / "model_validation.ipynb").iterdir())) == 2
    html = newest(reports / "model_validation.html").read_text(encoding="utf-8")
    assert "DIS-AUC" in html
    record = read_json(reports / "validation_record.json")
    assert record["passed"] is False
    assert ledger_events(trained_copy / LEDGER)[-2:] == ["registered", "failed"]

    listed = kedro(trained_copy, "models")
    assert re.search(r"credit\s+2\s+ci\s+failed", listed.stdout), listed.stdout
    approve = ("--by", "Ada", "--role", "model_validator", "--comment", "it looks fine to me")
    refused = kedro(trained_copy, "approve", "credit", "--version", "2", *approve)
    assert refused.returncode == 1
    assert "2 is failed" in refused.stderr

    (trained_copy / "conf/ci/policy.yml").unlink()
    resumed = kedro(trained_copy, *resume_command(stopped.stderr))
    assert resumed.returncode == 0, "under the old policy the same candidate is validated again"
    assert ledger_events(trained_copy / LEDGER)[-1] == "validated"
