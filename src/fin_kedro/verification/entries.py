"""What the ledger tells of a sealed run: that the seal was altered since, or its entry is gone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal_entries import entry_findings
from fin_kedro.verification.causes import Cause


def entered(
    seal: Mapping[str, Any], seal_path: Path, *, project: Path, env: str | None
) -> tuple[Cause | None, tuple[str, ...]]:
    """The cause that the ledger tells, when it states another seal of the run, and what to note."""
    found = list(entry_findings(seal, seal_path, project=project, env=env))
    gone = tuple(f"the ledger has {f.detail}" for f in found if f.verdict == "gone")
    wrong = [f for f in found if f.verdict == "differs"]
    if not wrong:
        return None, gone
    text = (
        f"seal: {wrong[0].what} {wrong[0].detail}, this seal is {str(seal['digest'])[:12]}; the "
        "seal was altered after the run, and its digests made anew"
    )
    details = tuple(f"{f.what} {f.detail}" for f in wrong)
    return Cause(kind="seal", factors=("seal",), details=details, sentence=text), gone
