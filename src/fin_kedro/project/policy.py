"""The policy in force for a workflow: what binds all, with what differs for it laid over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORKFLOWS = "workflows"


def policy_of(policy: Mapping[str, Any], workflow: str | None) -> dict[str, Any]:
    """Return the policy of `workflow`; without a section of its own, the common one.

    Sections are merged key by key; null takes a key of the common policy away.
    """
    common = {name: section for name, section in policy.items() if name != WORKFLOWS}
    return _merged(common, (policy.get(WORKFLOWS) or {}).get(workflow) or {})


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `common`, in the order of `common`; new keys last."""
    merged = dict(common)
    for name, value in own.items():
        below = merged.get(name)
        if isinstance(value, Mapping):
            merged[name] = _merged(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return {name: value for name, value in merged.items() if value is not None}
