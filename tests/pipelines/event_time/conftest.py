"""One small bank, with late reports and corrections, and its history."""

from __future__ import annotations

import pandas as pd
import pytest

from fin_kedro.pipelines.event_time.history import compute_history
from fin_kedro.simulation.card_transactions import Simulation, simulate
from tests.pipelines.event_time.bank import FEATURES, LATE, SPLIT, tables


@pytest.fixture(scope="package")
def world() -> Simulation:
    settings = {
        "days": 75,
        "factor": 0.02,
        "labels": LATE,
        "arrival": {"late_share": 0.05, "late_minutes": 600},
    }
    return simulate(settings=settings, seed=3)


@pytest.fixture(scope="package")
def history(world: Simulation) -> pd.DataFrame:
    return compute_history(*tables(world), FEATURES, SPLIT).execute()
