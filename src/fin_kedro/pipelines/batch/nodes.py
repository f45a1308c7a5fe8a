"""Node of batch scoring: a registered model's graph goes to the rows, on either engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir

from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.package import Package, read_package
from fin_kedro.governance.registry import STATES, ModelState, find_state
from fin_kedro.models.batch_scoring import batch_scores

# Which states of a version may score, by `batch.model`.
MODELS = {"approved": ("approved", "released"), "candidate": tuple(STATES.values())}


def score_history(
    accepted: ir.Table, contract: Contract, release: Mapping[str, Any], batch: Mapping[str, Any]
) -> tuple[ir.Table, dict[str, Any]]:
    """Score every accepted row by the graph that was approved.

    Args:
        accepted: rows that follow the contract, on DuckDB or Spark.
        contract: of these rows.
        release: ``workflow`` and ``ledger`` (path).
        batch: ``model``: ``approved``, or ``candidate`` to try one on the past before anybody
            approves it; ``version``: one of them, None for the newest.

    Returns:
        Id and ``probability`` of each row, ordered by id, on the engine of the rows; and which
        model they are from.

    Raises:
        RegistryError, LedgerError, PackageError: there is no such model, or it was changed.
        ContractError: the model was made for other columns.
    """
    state, package = _registered(release, batch)
    if package.contract.version != contract.version:
        raise ContractError(
            f"{state.workflow} {state.version} was made for contract {package.contract.version}, "
            f"the accepted rows follow {contract.version}. Name a version made for these rows "
            f"(batch.version), or make them again: `kedro run --pipelines {state.workflow}`."
        )
    key = contract.id.name
    scores = batch_scores(package.model, accepted, id=key).order_by(key)
    made_by = {n: getattr(state, n) for n in ("workflow", "version", "state", "digest")}
    return scores, {**made_by, "rows": int(accepted.count().execute())}


def _registered(release: Mapping[str, Any], batch: Mapping[str, Any]) -> tuple[ModelState, Package]:
    """The version asked for and its package, verified."""
    if (model := batch["model"]) not in MODELS:
        raise ValueError(f"batch.model is {model!r}; allowed: {', '.join(MODELS)}.")
    ledger, workflow = Ledger(release["ledger"]), release["workflow"]
    ledger.verify()
    state = find_state(ledger, workflow, batch["version"], MODELS[model])
    entries = ledger.entries(event="registered", workflow=workflow, version=state.version)
    folder = ledger.resolve(entries[-1].event["package"])
    return state, read_package(folder, expected_digest=state.digest)
