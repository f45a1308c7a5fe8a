"""The published transactions can be asked for; another source is refused."""

from __future__ import annotations

import pytest

from fin_kedro.pipelines.event_time.simulate import simulate_transactions


def test_the_published_transactions_can_be_asked_for() -> None:
    transactions, labels = simulate_transactions({"source": "published"})
    assert transactions.count().execute() == 1_754_155  # Handbook, chapter 3
    assert labels.filter(labels.fraud == 1).count().execute() == 14_681


def test_another_source_is_refused() -> None:
    with pytest.raises(ValueError, match="'kaggle'; allowed: rules, published"):
        simulate_transactions({"source": "kaggle"})
