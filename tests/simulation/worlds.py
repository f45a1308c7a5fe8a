"""Small simulated worlds for tests: tidy, untidy, with drift."""

from __future__ import annotations

from typing import Any

from fin_kedro.simulation.card_transactions import Simulation, simulate

DAY = 86_400_000_000

SMALL: dict[str, Any] = {"factor": 0.1, "days": 60}

QUIET = {"fraud": {"terminals": {"daily": 0}, "customers": {"daily": 0}}}

UNTIDY = {
    "labels": {
        "late_share": 0.2, "late_days": 20, "false_alarm_share": 0.002, "corrected_share": 0.1,
    },
    "arrival": {"late_share": 0.02, "late_minutes": 90},
}  # fmt: skip

DRIFT = [
    {"kind": "card_testing", "from": "2018-05-01", "daily": 30},
    {"kind": "amount_shift", "from": "2018-05-01", "multiplier": 2, "share": 0.5},
    {"kind": "terminal_ring", "from": "2018-05-01", "daily": 20},
]


def made(*changes: dict[str, Any], seed: int = 5) -> Simulation:
    """Simulate a small world with changes."""
    all_changes = dict(SMALL)
    for change in changes:
        all_changes |= change
    return simulate(settings=all_changes, seed=seed)
