"""Four eyes: an approval needs another person, a reason, and the very evidence that passed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.governance.approval import (
    ApprovalError,
    approve,
    approved_release,
    conditions,
    report_digest,
)
from fin_kedro.governance.ledger import Entry, Ledger, LedgerError
from fin_kedro.governance.package import PackageError
from fin_kedro.governance.registry import ModelState, RegistryError
from tests.governance.test_ledger import tamper
from tests.serving.tiny_package import write_tiny

POLICY = {"roles": ["model_validator", "model_risk_officer"], "shortest_comment": 10}
TRAINER = "Ada Lovelace"
GATES = {"DIS-AUC": {"limits": {"min": 0.7}}}
UNDER = conditions(None, GATES)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with one registered version, its package and its report beside it."""
    found = Ledger(tmp_path / "ledger.sqlite")
    digest = write_tiny(tmp_path / "package")
    known = {"workflow": "credit", "version": "1", "digest": digest}
    found.append(event="registered", **known, by=TRAINER, package="package")
    texts = {"notebook": "cells", "html": "<html>"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    record = {"passed": True, "report": {name: name for name in texts}}
    (tmp_path / "record.json").write_text(json.dumps(record))
    return found


def validate(ledger: Ledger, event: str = "validated", **changes: Any) -> None:
    known = {k: ledger.entries()[0].event[k] for k in ("workflow", "version", "digest")}
    digest = report_digest("cells", "<html>")
    ledger.append(
        event=event,
        **known,
        by=TRAINER,
        record="record.json",
        report_digest=digest,
        **{**UNDER, "record_digest": sha256(ledger.path.with_name("record.json")), **changes},
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def attempt(ledger: Ledger, **changes: Any) -> tuple[ModelState, Entry]:
    wanted = {"workflow": "credit", "version": None, "by": "Grace Hopper"}
    said = {
        "role": "model_validator",
        "comment": "gates and reasons read",
        "policy": POLICY,
        "under": UNDER,
    }
    return approve(ledger=ledger, **{**wanted, **said, **changes})


def refused(ledger: Ledger, error: type[Exception], match: str, **changes: Any) -> None:
    """The attempt fails with the message, and nothing is recorded."""
    before = len(ledger.entries())
    with pytest.raises(error, match=match):
        attempt(ledger, **changes)
    assert len(ledger.entries()) == before


def test_a_good_approval_is_recorded_with_what_it_rests_on(ledger: Ledger) -> None:
    validate(ledger)
    state, entry = attempt(ledger, by=" Grace Hopper ", comment="  gates and reasons read ")
    assert entry == ledger.entries()[-1]
    assert entry.event == {
        "event": "approved", "workflow": "credit", "version": "1", "digest": state.digest,
        "by": "Grace Hopper", "role": "model_validator", "comment": "gates and reasons read",
        "report_digest": report_digest("cells", "<html>"), "package": "package", **UNDER,
    }  # fmt: skip
    ledger.verify()


def test_what_was_approved_may_be_released(ledger: Ledger) -> None:
    with pytest.raises(RegistryError, match="no version of credit is approved or released"):
        approved_release(ledger, "credit", under=UNDER)
    validate(ledger)
    _, entry = attempt(ledger)
    found = approved_release(ledger, "credit", under=UNDER)
    assert (found["version"], found["approved_by"]) == ("1", "Grace Hopper")
    assert (found["digest"], found["approved_at"]) == (entry.event["digest"], entry.at)


def test_not_validated(ledger: Ledger) -> None:
    refused(ledger, RegistryError, "no version of credit is validated: 1 is candidate")


def test_failed_validation(ledger: Ledger) -> None:
    validate(ledger, "failed")
    refused(ledger, RegistryError, "1 is failed", version="1")


def test_already_approved(ledger: Ledger) -> None:
    validate(ledger)
    attempt(ledger)
    refused(ledger, RegistryError, "1 is approved", by="Mary Shelley")


def test_unknown_version(ledger: Ledger) -> None:
    validate(ledger)
    refused(ledger, RegistryError, "credit 7 is not registered.*credit 1", version="7")


@pytest.mark.parametrize(
    "name",
    [TRAINER, "ada lovelace", "ADA LOVELACE", "  Ada Lovelace\t", "Ada  Lovelace",
     "Ada\u00a0Lovelace", "\uff21da Lovelace"],
)  # fmt: skip
def test_the_person_who_trained_it(ledger: Ledger, name: str) -> None:
    validate(ledger)
    refused(ledger, ApprovalError, "trained this version and cannot approve", by=name)


@pytest.mark.parametrize("name", ["", "  "])
def test_nobody(ledger: Ledger, name: str) -> None:
    validate(ledger)
    refused(ledger, ApprovalError, "who approves", by=name)


@pytest.mark.parametrize("role", ["data_scientist", "", "Model_Validator"])
def test_a_role_that_may_not(ledger: Ledger, role: str) -> None:
    validate(ledger)
    refused(ledger, ApprovalError, "may not approve; .*model_validator, model_risk", role=role)


@pytest.mark.parametrize("comment", ["", "ok", "   looks ok   "[:11], " " * 40])
def test_a_comment_that_says_nothing(ledger: Ledger, comment: str) -> None:
    validate(ledger)
    refused(ledger, ApprovalError, "characters; policy.yml asks for at least 10", comment=comment)


def overwrite(name: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(text)


def unpassed(folder: Path) -> None:
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "passed": False}))


TAMPERED = {
    "report changed": (overwrite("html", "<html>better"), "is not the one that passed"),
    "notebook changed": (overwrite("notebook", "x"), "is not the one that passed"),
    "report gone": (lambda folder: (folder / "html").unlink(), "html is gone; restore"),
    "record gone": (lambda folder: (folder / "record.json").unlink(), "record.* is gone"),
    "record says failed": (unpassed, "changed after it was entered"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_evidence_that_was_tampered_with(ledger: Ledger, tmp_path: Path, what: str) -> None:
    validate(ledger)
    change, said = TAMPERED[what]
    change(tmp_path)
    refused(ledger, ApprovalError, said)


def test_a_package_that_was_tampered_with(ledger: Ledger, tmp_path: Path) -> None:
    validate(ledger)
    file = tmp_path / "package" / "decision.json"
    file.write_text(file.read_text().replace("0.4", "0.9"))
    refused(ledger, PackageError, r"decision\.json was changed")


def test_another_package_put_in_its_place(ledger: Ledger, tmp_path: Path) -> None:
    validate(ledger)
    (tmp_path / "package").rename(tmp_path / "old")
    write_tiny(tmp_path / "package", decision={"threshold": 0.9})
    refused(ledger, PackageError, "expected digest")


@pytest.mark.parametrize("attack", ["'Ada', 'Eve'", "'validated', 'approved'"])
def test_a_broken_ledger(ledger: Ledger, tmp_path: Path, attack: str) -> None:
    validate(ledger)
    tamper(tmp_path, f"UPDATE ledger SET event = replace(event, {attack})")
    refused(ledger, LedgerError, "broken at entry")
    with pytest.raises(LedgerError, match="broken at entry"):
        approved_release(ledger, "credit", under=UNDER)


# Attacks: a model that was judged elsewhere, or evidence that was changed


def test_a_candidate_of_a_tiny_environment_is_not_approved_in_base(ledger: Ledger) -> None:
    validate(ledger, **conditions("ci", GATES))
    refused(ledger, ApprovalError, "validated in the environment ci.*approved in base.*--env ci")
    attempt(ledger, under=conditions("ci", GATES))
    with pytest.raises(ApprovalError, match="environment ci and cannot be released in base"):
        approved_release(ledger, "credit", under=UNDER)


def test_gates_changed_after_validation_or_after_approval(ledger: Ledger) -> None:
    loosened = conditions(None, {"DIS-AUC": {"limits": {"min": 0.6}}})
    validate(ledger, **loosened)
    refused(ledger, ApprovalError, r"gates of base changed since credit 1 was validated.*Restore")
    validate(ledger)
    attempt(ledger)
    with pytest.raises(ApprovalError, match="changed since credit 1 was validated"):
        approved_release(ledger, "credit", under=loosened)
    assert approved_release(ledger, "credit", under=UNDER)["version"] == "1"


def test_a_validation_that_states_no_environment_is_validated_again(ledger: Ledger) -> None:
    known = {k: ledger.entries()[0].event[k] for k in ("workflow", "version", "digest")}
    digest = report_digest("cells", "<html>")
    ledger.append(
        event="validated", **known, by=TRAINER, record="record.json", report_digest=digest
    )
    refused(ledger, ApprovalError, "before entries stated their environment.*kedro run --pipelines")


def test_a_field_of_the_validation_record_changed(ledger: Ledger) -> None:
    """Every field is bound, not only what the approval reads."""
    validate(ledger)
    path = ledger.path.with_name("record.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdicts": ["better"]}))
    refused(ledger, ApprovalError, r"record.*was changed after it was entered.*entry 2")
