"""The published transactions can be asked for; another source is refused."""

from __future__ import annotations

import ibis
import pytest

from fin_kedro.pipelines.event_time.simulate import simulate_transactions
from fin_kedro.simulation import published_data


def test_the_published_transactions_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here of a hundred customers; the notebook of the module counts those of all 5,000."""
    monkeypatch.setattr(published_data, "CUSTOMERS", 100)
    transactions, labels = simulate_transactions({"source": "published"})
    drawn = published_data.published_transactions()
    assert transactions.to_pyarrow().equals(ibis.memtable(drawn.transactions).to_pyarrow())
    assert labels.to_pyarrow().equals(ibis.memtable(drawn.labels).to_pyarrow())
    # the third row of the Handbook's notebook SimulatedDataset: the first of these customers'
    first = transactions.order_by("event_us").limit(1).to_pyarrow().to_pylist()[0]
    assert first["event_us"] == (published_data.START + 476) * 1_000_000
    assert (first["customer_id"], first["terminal_id"], first["amount_cents"]) == (2, 1365, 14600)
    assert labels.count().execute() > 1_000


def test_another_source_is_refused() -> None:
    with pytest.raises(ValueError, match="'kaggle'; allowed: rules, published"):
        simulate_transactions({"source": "kaggle"})
