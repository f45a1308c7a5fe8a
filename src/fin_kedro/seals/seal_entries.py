"""Seals in the project's ledger: entered there, and looked up when a seal is checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kedro.config import MissingConfigException

from fin_kedro.project.config import project_config

if TYPE_CHECKING:
    from fin_kedro.governance.ledger import Entry, Ledger

Verdict = Literal["same", "differs", "gone", "unknown"]
EVENTS = {"pipeline": "run_sealed", "notebook": "notebook_sealed"}
ENTRY = "ledger entry"
SCRATCH = "FIN_KEDRO_SCRATCH"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a seal states, and whether it still is so (``unknown``: nothing says where)."""

    what: str
    verdict: Verdict
    detail: str


def workflow_ledgers(project: Path, env: str | None) -> dict[str, str]:
    """The ledger of each workflow that has one, as conf names it; none outside a project."""
    conf = sorted((project / "conf").rglob("*.y*ml"))
    return dict(_ledgers(project, env, tuple((path, path.stat().st_mtime_ns) for path in conf)))


@lru_cache(maxsize=8)
def _ledgers(project: Path, env: str | None, conf: tuple[Any, ...]) -> dict[str, str]:
    """The same, read once for several notebooks; ``conf``: its files with their times."""
    if not conf:
        return {}
    try:
        parameters = project_config(project, env, checked=False)["parameters"]
    except MissingConfigException:
        return {}
    return {
        str(name): str(found["release"]["ledger"])
        for name, found in parameters.items()
        if isinstance(found, Mapping) and "release" in found
    }


def enter_notebook(seal: Mapping[str, Any], *, project: Path, env: str | None) -> list[Entry]:
    """Enter a notebook's seal in the project's ledgers; in none where FIN_KEDRO_SCRATCH is set.

    Scratch executions (`kedro verify`, tests) are nobody's record.
    Raises LedgerError or SigningError when a ledger cannot be written.
    """
    from fin_kedro.governance.ledger import Ledger

    if os.environ.get(SCRATCH):
        return []
    content, occasion = seal["content"], _occasion(seal)
    return [
        Ledger(path).append(
            event=EVENTS["notebook"],
            run=occasion["run"],
            seal=seal["digest"],
            outcome=content["outcome"],
            notebook=content["subject"]["notebook"],
            env=content["subject"]["env"],
            by=occasion["by"],
        )
        for path in sorted(set(workflow_ledgers(project, env).values()))
    ]


def anchors(entries: list[Entry]) -> dict[str, str]:
    """The head of the ledger, with its signature: it finds a tail that is cut off later."""
    if not entries:
        return {}
    return {
        "ledger_head": " ".join(entry.head for entry in entries),
        "ledger_signature": " ".join(f"{entry.signer}:{entry.signature}" for entry in entries),
    }


def entry_findings(
    seal: Mapping[str, Any],
    seal_path: Path,
    *,
    project: Path,
    env: str | None,
    head: str | None = None,
) -> Iterator[Finding]:
    """What the ledgers say of a seal: ``same``, ``differs``, or ``gone`` where none speaks of it.

    An entry is found by the run's id, which the folder of its seal tells too, or by the digest.
    Raises LedgerError for a broken ledger, or one that does not hold ``head`` any more.
    """
    from fin_kedro.governance.ledger import Ledger

    named = workflow_ledgers(project, env)
    expected = _expected(seal, named)
    for path in sorted(set(named.values())):
        ledger = Ledger(path)
        ledger.verify(head=head)
        found = list(_found(ledger, seal, seal_path))
        if not found and path in expected:
            yield Finding(what=ENTRY, verdict="gone", detail=_missing(ledger, seal))
        yield from found


def _expected(seal: Mapping[str, Any], ledgers: Mapping[str, str]) -> set[str]:
    """Ledgers that a seal was entered in: of the workflows whose nodes ran; a notebook's in all."""
    content = seal["content"]
    if content["kind"] == "notebook":
        return set(ledgers.values())
    ran = {step.partition(".")[0] for step in content["steps"]}
    return {path for workflow, path in ledgers.items() if workflow in ran}


def _found(ledger: Ledger, seal: Mapping[str, Any], seal_path: Path) -> Iterator[Finding]:
    """The entries of the run that the seal, or the folder that it lies in, names."""
    runs = {_occasion(seal).get("run"), seal_path.parent.name}
    for entry in ledger.entries(event=EVENTS[seal["content"]["kind"]]):
        if entry.event["run"] not in runs and not _is_only_digest(entry, seal):
            continue
        same = entry.event["seal"] == seal["digest"]
        said = entry.hash[:12] if same else f"states {entry.event['seal'][:12]}"
        yield Finding(
            what=f"{ENTRY} {entry.number}",
            verdict="same" if same else "differs",
            detail=f"{said}, signed by {ledger.signed_by(entry)}",
        )


def _is_only_digest(entry: Entry, seal: Mapping[str, Any]) -> bool:
    """Whether the digest alone tells the entry: a notebook may have lost its occasion."""
    return "run" not in _occasion(seal) and entry.event["seal"] == seal["digest"]


def _occasion(seal: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a seal is not hashed; empty where it was not kept."""
    occasion: Mapping[str, Any] = seal.get("occasion") or {}
    return occasion


def _missing(ledger: Ledger, seal: Mapping[str, Any]) -> str:
    run = _occasion(seal).get("run")
    kind = EVENTS[seal["content"]["kind"]]
    others = [e.event["run"] for e in ledger.entries(event=kind, seal=seal["digest"])]
    also = f"; the same digest was entered for {', '.join(others)}" if others else ""
    return f"no entry {kind} of {run or 'this seal'}{also}"
