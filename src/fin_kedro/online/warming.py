"""The part of history that still counts: what a store is warmed with."""

from __future__ import annotations

import ibis.expr.types as ir
import pyarrow as pa

from fin_kedro.features.windows import EventFeatures


def recent_history(
    features: EventFeatures, transactions: ir.Table, labels: ir.Table, *, lateness_us: int
) -> tuple[pa.Table, pa.Table]:
    """Cut history to what can still count after its newest transaction.

    A row to come may be as late as the store allows, and counts what was known a horizon before
    itself. A transaction that is older than both counts for none, nor do labels of it. Labels of
    transactions that are not there at all stay: these may come late.

    Args:
        features: the specification.
        transactions: accepted by their contract.
        labels: accepted by theirs.
        lateness_us: how far behind the newest transaction a row may be scored (`Plan.lateness`).

    Returns:
        Transactions and labels, each in the order in which they became known.
    """
    known = transactions[features.known]
    counts = known >= known.max().as_scalar() - features.horizon_us - lateness_us
    over = transactions.filter(~counts)
    kept = labels.anti_join(over, features.id)
    return (
        transactions.filter(counts).order_by([features.known, features.id]).to_pyarrow(),
        kept.order_by([features.known, features.label_id]).to_pyarrow(),
    )
