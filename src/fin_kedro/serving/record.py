"""What a bento says of itself: the approved package it carries, and what its service computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.governance.package import PackageError

UNRELEASED = "FIN_KEDRO_SERVE_UNRELEASED"  # the switch of development: serve what nobody released
RELEASE, FACTS = "release.json", "service.json"
RELEASE_KEYS = {"workflow", "version", "digest", "approved_by", "approved_at", "report_digest"}


def write_facts(folder: Path, **facts: str) -> None:
    """Write what conf says of the service, beside its package."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def read_facts(folder: Path) -> dict[str, str]:
    """What stands beside a service's package; nothing in development, where there is none."""
    path = folder / FACTS
    facts: dict[str, str] = json.loads(path.read_bytes()) if path.is_file() else {}
    return facts


def checked_release(record: Mapping[str, Any], *, workflow: str, where: str) -> dict[str, Any]:
    """Return the release record, or raise `PackageError` when it misses a key or is another's."""
    missing = sorted(RELEASE_KEYS - set(record))
    if missing:
        raise PackageError(
            f"{where} lacks {', '.join(missing)}; a release record holds "
            f"{', '.join(sorted(RELEASE_KEYS))}. Release the approved version again."
        )
    if record["workflow"] != workflow:
        raise PackageError(
            f"{where} releases workflow {record['workflow']!r}, expected {workflow!r}. "
            "Release the approved version again."
        )
    return dict(record)
