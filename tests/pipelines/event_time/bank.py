"""Settings of a small bank with late reports and corrections, for tests of its history."""

from __future__ import annotations

from typing import Any

import ibis

from fin_kedro.features.model_table import day_start
from fin_kedro.pipelines.event_time.history import SPECIFICATION
from fin_kedro.simulation.card_transactions import Simulation

FEATURES = {"statistics": SPECIFICATION}

SPLIT = {
    "parts": {
        "train": {"from": "2018-05-15", "to": "2018-05-25"},
        "calibration": {"from": "2018-05-25", "to": "2018-05-30"},
        "test": {"from": "2018-06-06", "to": "2018-06-10"},
    },
    "delay_days": 7,
}

REPLAY = {"from": "2018-06-06", "rows": 400, "stores": ["memory:"]}

BEGINS = day_start("2018-06-06")

LATE = {
    "delay_days": 7, "late_share": 0.2, "late_days": 20, "false_alarm_share": 0.01,
    "corrected_share": 0.3,
}  # fmt: skip


def tables(world: Simulation) -> tuple[Any, Any]:
    return ibis.memtable(world.transactions), ibis.memtable(world.labels)
