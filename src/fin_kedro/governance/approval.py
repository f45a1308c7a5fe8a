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
    under: Mapping[str, str],
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
        under: `conditions` of the environment in which it is approved.

    Raises:
        ApprovalError, RegistryError, LedgerError, PackageError: refused, nothing is recorded.
    """
    ledger.verify()
    state = find_state(ledger, workflow, version, ("validated",))
    registered = _last(ledger, "registered", state)
    validated = _last(ledger, "validated", state)
    _check_person(by, role, comment, registered.event["by"], policy)
    read_package(ledger.resolve(registered.event["package"]), expected_digest=state.digest)
    _check_conditions(validated, under, "approved")
    _check_report(ledger, validated)
    entry = ledger.append(
        event="approved", workflow=workflow, version=state.version, digest=state.digest,
        by=by.strip(), role=role, comment=comment.strip(),
        report_digest=validated.event["report_digest"],
        package=registered.event["package"], **under,
    )  # fmt: skip
    return state, entry


def approved_release(
    ledger: Ledger, workflow: str, version: str | None = None, *, under: Mapping[str, str]
) -> dict[str, Any]:
    """Return what may be released: the approval's record, after the whole chain was verified.

    ``under``: `conditions` of the environment in which it is released. Raises ApprovalError when
    version was validated or approved under others.
    """
    ledger.verify()
    state = find_state(ledger, workflow, version, ("approved", "released"))
    approval = _last(ledger, "approved", state)
    for evidence in (_last(ledger, "validated", state), approval):
        _check_conditions(evidence, under, "released")
    return {
        "workflow": workflow,
        "version": state.version,
        "digest": approval.event["digest"],
        "approved_by": approval.event["by"],
        "approved_at": approval.at,
        "report_digest": approval.event["report_digest"],
        "package": approval.event["package"],
    }


def conditions(env: str | None, gates: Mapping[str, Any]) -> dict[str, str]:
    """Under what a version is judged: the environment, and the hash (sha256, hex) of its gates.

    ``gates`` are those of the workflow's policy in that environment.
    """
    text = json.dumps(gates, sort_keys=True)
    return {
        "env": env or "base",
        "gates_digest": hashlib.sha256(text.encode()).hexdigest(),
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


def _check_conditions(evidence: Entry, under: Mapping[str, str], what: str) -> None:
    """A small environment's limits are not those of the one in which a model is used."""
    event = evidence.event
    name, found = f"{event['workflow']} {event['version']}", event.get("env")
    again = f"kedro run --pipelines {event['workflow']}"
    if found is None:
        raise ApprovalError(
            f"{name} was {event['event']} before entries stated their environment (entry "
            f"{evidence.number}), so it cannot be {what}. Validate a new version: `{again}`."
        )
    if found != under["env"]:
        raise ApprovalError(
            f"{name} was {event['event']} in the environment {found} and cannot be {what} in "
            f"{under['env']}. Add `--env {found}`, or validate it where it is to be used: `{again}`"
            f"{'' if under['env'] == 'base' else ' with --env ' + under['env']}."
        )
    if event["gates_digest"] != under["gates_digest"]:
        raise ApprovalError(
            f"the policy's gates of {found} changed since {name} was {event['event']} (entry "
            f"{evidence.number}). Restore policy.yml, or validate under the new gates: `{again}`."
        )


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
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != validated.event.get("record_digest"):
        raise ApprovalError(
            f"the validation record {path} was changed after it was entered in the ledger (entry "
            f"{validated.number}). Restore it, or validate again."
        )
    record = json.loads(content)
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
