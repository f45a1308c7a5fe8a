"""Node of release: the approved package, verified, becomes a bento."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fin_kedro.governance.anchors import tag_of
from fin_kedro.governance.approval import approved_release, conditions
from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.registry import current_user, tag_version
from fin_kedro.serving.release import build_bento


def build_release(
    release: Mapping[str, Any], features: Mapping[str, Any], run_context: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the bento of the newest approved version, or of the one named.

    Args:
        release: ``workflow``, ``version`` (None: newest approved), ``ledger``, ``service``,
            ``output`` and ``lock`` (paths).
        features: ``statistics`` names the specification that a service of live rows computes.
        run_context: ``env`` and ``gates``, which must be those of validation and approval.

    Raises:
        ApprovalError, RegistryError, LedgerError, PackageError, ReleaseError: nothing is released.
    """
    ledger = Ledger(release["ledger"])
    approved = approved_release(
        ledger,
        release["workflow"],
        release["version"],
        under=conditions(run_context["env"], run_context["gates"]),
    )
    package = ledger.resolve(approved.pop("package"))
    bento = build_bento(
        package_dir=package,
        release=approved,
        service_dir=release["service"],
        output_dir=release["output"],
        lock=release["lock"],
        statistics=features.get("statistics"),
    )
    facts = {
        "tag": str(bento.tag),
        "path": str(bento.path),
        "home": str(bento.home),
        "command": bento.command,
        "bento_digest": bento.digest,
    }
    entry = ledger.append(
        event="released", workflow=approved["workflow"], version=approved["version"],
        digest=approved["digest"], by=current_user(), bento=facts["tag"], bento_digest=bento.digest,
    )  # fmt: skip
    tags = {"state": "released", "bento": facts["tag"], **tag_of({ledger.path: entry.head})}
    tag_version(approved["workflow"], approved["version"], tags)
    return {**approved, **facts}
