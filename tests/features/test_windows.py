"""Statistics over history are what their meaning says, in both forms, whatever comes late."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fin_kedro.features.history import FORMS, offline
from fin_kedro.features.windows import EventFeatures
from tests.features.histories import Records, feature_sets, histories, rows_of, tables
from tests.features.reference_windows import reference


def computed(
    features: EventFeatures, transactions: Records, labels: Records, form: str
) -> list[dict[str, Any]]:
    table = offline(features, *tables(transactions, labels), form=form)
    return rows_of(table, features.names, [row["transaction_id"] for row in transactions])


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(features=feature_sets(), history=histories())
def test_every_statistic_is_what_two_plain_loops_say(
    form: str, features: EventFeatures, history: tuple[Records, Records]
) -> None:
    assert computed(features, *history, form) == reference(features, *history)
