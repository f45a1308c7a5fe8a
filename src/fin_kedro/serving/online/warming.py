"""The part of history that still counts: what a store is warmed with."""

from __future__ import annotations

import ibis.expr.types as ir
import pyarrow as pa

from fin_kedro.features.windows import EventFeatures


def recent_history(
    features: EventFeatures, transactions: ir.Table, labels: ir.Table
) -> tuple[pa.Table, pa.Table]:
    """Cut history to what can still count after its newest transaction.

    A transaction that was known more than a horizon before the newest counts for none to come, nor
    do labels of it. Labels of transactions that are not there at all stay: these may come late.

    Args:
        features: the specification.
        transactions: accepted by their contract.
        labels: accepted by theirs.

    Returns:
        Transactions and labels, each in the order in which they became known.
    """
    known = transactions[features.known]
    counts = known >= known.max().as_scalar() - features.horizon_us
    over = transactions.filter(~counts)
    kept = labels.anti_join(over, features.id)
    return (
        transactions.filter(counts).order_by([features.known, features.id]).to_pyarrow(),
        kept.order_by([features.known, features.label_id]).to_pyarrow(),
    )
