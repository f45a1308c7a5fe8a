"""The release record: which approved package a bento carries, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fin_kedro.governance.package import PackageError

RELEASE_KEYS = {"workflow", "version", "digest", "approved_by", "approved_at", "report_digest"}


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
