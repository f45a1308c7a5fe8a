"""The credit features: computed by hand for two clients, explained, and blind to who they are."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from fin_kedro.features.credit import credit_features
from fin_kedro.features.expressions import feature_columns, feature_expressions, reads
from tests.conftest import ROOT
from tests.contracts.samples import credit_contract

CONTRACT = credit_contract()
FEATURES = feature_expressions(CONTRACT, "fin_kedro.features.credit:credit_features")
DERIVED = list(credit_features.entries)


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    """Features of clients 1 and 2 of the real data."""
    raw = ibis.duckdb.connect().read_parquet(
        str(ROOT / "data/01_raw/credit_applications.parquet/*/*.parquet")
    )
    two = raw.filter(raw.ID <= 2)
    return two.select("ID", **feature_columns(CONTRACT, FEATURES, two)).execute().set_index("ID")


# Client 1: limit 20000; bills 3913 3102 689 0 0 0; paid 0 689 0 0 0 0; status 2 2 -1 -1 -2 -2.
# Client 2: limit 120000; bills 2682 1725 2682 3272 3455 3261; paid 0 1000 1000 1000 0 2000;
#           status -1 2 0 0 0 2.
BY_HAND = {
    "utilisation": (3913 / 20000, 2682 / 120000),
    "utilisation_worst": (3913 / 20000, 3455 / 120000),
    "utilisation_mean": (7704 / 6 / 20000, 17077 / 6 / 120000),
    "utilisation_change": (3913 / 20000, -579 / 120000),
    "headroom": (16087, 117318),
    "delay_worst": (2, 2),
    "months_late": (2, 2),
    "months_late_two": (2, 2),
    "delay_recent": (12, 4),
    "delay_change": (0, -3),
    "paid_share": (0, 0),
    "paid_share_before": (1, 1000 / 2682),
    "paid_of_limit": (689 / 20000, 5000 / 120000),
    "paid_mean": (689 / 6, 5000 / 6),
    "paid_least": (0, 0),
    "months_unpaid": (5, 2),
}


def test_every_derived_feature_is_computed_by_hand() -> None:
    assert sorted(BY_HAND) == sorted(DERIVED)


@pytest.mark.parametrize("name", BY_HAND)
def test_two_real_clients(clients: pd.DataFrame, name: str) -> None:
    assert tuple(clients.loc[[1, 2], name]) == pytest.approx(BY_HAND[name], rel=1e-12)


def test_no_protected_attribute_is_read() -> None:
    read = {name for names in reads(FEATURES).values() for name in names}
    assert read == {c.name for c in CONTRACT.features}
    assert not read & {"SEX", "AGE", "MARRIAGE", "ID", "DEFAULT"}


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_can_be_explained(name: str) -> None:
    feature = FEATURES[name]
    column = CONTRACT.columns[feature.reason_column]
    assert feature.description
    assert column.reason and column.reason != column.name
    assert feature.reason_column in reads(FEATURES)[name]
