"""Four eyes: one person trains, another approves, on the evidence of a passing report."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from fin_kedro.governance.ledger import Entry, Ledger
from fin_kedro.governance.package import read_package
from fin_kedro.governance.registry import ModelState, find_state


class ApprovalError(RuntimeError):
    """An approval is refused; the message says why and what would change it."""


def approve(
    *,
    ledger: Ledger,
    workflow: str,
    version: str | None,
    by: str,
    role: str,
    comment: str,
    policy: Mapping[str, Any],
) -> tuple[ModelState, Entry]:
    """Approve a validated version, and record who did it, in which role, and why.

    Args:
        ledger: where states and approvals are recorded.
        workflow: e.g. credit.
        version: registered version; None = the newest validated one.
        by: who approves; must not be the person who trained it.
        role: one of ``policy["roles"]``.
        comment: why; an approval without a reason is none.
        policy: ``approval`` of conf/base/policy.yml.

    Raises:
        ApprovalError, RegistryError, LedgerError, PackageError: refused, nothing is recorded.
    """
    ledger.verify()
    state = find_state(ledger, workflow, version, ("validated",))
    registered = _last(ledger, "registered", state)
    validated = _last(ledger, "validated", state)
    _check_person(by, role, comment, registered.event["by"], policy)
    read_package(ledger.resolve(registered.event["package"]), expected_digest=state.digest)
    _check_report(ledger, validated)
    entry = ledger.append(
        event="approved", workflow=workflow, version=state.version, digest=state.digest,
        by=by.strip(), role=role, comment=comment.strip(),
        report_digest=validated.event["report_digest"],
        package=registered.event["package"],
    )  # fmt: skip
    return state, entry


def approved_release(ledger: Ledger, workflow: str, version: str | None = None) -> dict[str, Any]:
    """Return what may be released: the approval's record, after the whole chain was verified."""
    ledger.verify()
    state = find_state(ledger, workflow, version, ("approved", "released"))
    approval = _last(ledger, "approved", state)
    return {
        "workflow": workflow,
        "version": state.version,
        "digest": approval.event["digest"],
        "approved_by": approval.event["by"],
        "approved_at": approval.at,
        "report_digest": approval.event["report_digest"],
        "package": approval.event["package"],
    }


def report_digest(*texts: str) -> str:
    """Hash of a report's files (sha256, hex): what an approval rests on."""
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()


def _last(ledger: Ledger, event: str, state: ModelState) -> Entry:
    entries = ledger.entries(event=event, workflow=state.workflow, version=state.version)
    if not entries:
        raise ApprovalError(
            f"{state.workflow} {state.version} was never {event}; run `kedro run` to the end first."
        )
    return entries[-1]


def _check_person(
    by: str, role: str, comment: str, trained_by: str, policy: Mapping[str, Any]
) -> None:
    if not by.strip():
        raise ApprovalError("who approves? Give --by with a person's name.")
    if _person(by) == _person(trained_by):
        raise ApprovalError(
            f"{by} trained this version and cannot approve it (four eyes). Ask another person "
            f"with one of the roles {', '.join(policy['roles'])}."
        )
    if role not in policy["roles"]:
        raise ApprovalError(
            f"the role {role!r} may not approve; policy.yml allows {', '.join(policy['roles'])}."
        )
    if len(comment.strip()) < policy["shortest_comment"]:
        raise ApprovalError(
            f"the comment has {len(comment.strip())} characters; policy.yml asks for at least "
            f"{policy['shortest_comment']}. Say what you looked at and why you approve."
        )


def _person(name: str) -> str:
    """Compare names whatever their case, spacing and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_report(ledger: Ledger, validated: Entry) -> None:
    """The report must still be the one that passed: present and unchanged."""
    path = ledger.resolve(validated.event["record"])
    if not path.exists():
        raise ApprovalError(
            f"the validation record {path} is gone; validate again: `kedro run --pipelines credit`."
        )
    record = json.loads(path.read_text())
    texts = []
    for name in ("notebook", "html"):
        file = ledger.resolve(record["report"][name])
        if not file.exists():
            raise ApprovalError(f"the report {file} is gone; restore it or validate again.")
        texts.append(file.read_text(encoding="utf-8"))
    if report_digest(*texts) != validated.event["report_digest"] or not record["passed"]:
        raise ApprovalError(
            f"the report beside {path} is not the one that passed: its hash differs from the "
            f"ledger's {validated.event['report_digest'][:12]}. Restore it, or validate again."
        )
