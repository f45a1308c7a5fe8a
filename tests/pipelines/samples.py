"""Generated loans under the small contract of the contract tests, and the settings of a run."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from fin_kedro.contracts import Contract
from tests.contracts.samples import loans

FEATURES = {"definitions": None}
SPLIT = {"salt": "s", "shares": {"train": 0.5, "calibration": 0.2, "test": 0.3}}
CHAMPION = {
    "settings": {"iterations": 25, "depth": 3, "learning_rate": 0.2, "thread_count": 1},
    "held_out_share": 0.2,
    "patience": 10,
    "seed": 1,
    "search": {"trials": 0, "folds": 2, "space": {}},
}
SCORECARD = {
    "max_bins": 4, "min_share": 0.05, "min_information_value": 0.01, "inverse_penalty": 1.0,
    "points_to_double_odds": 20, "base_points": 600, "base_odds": 50,
}  # fmt: skip
COSTS = {"approve_good": 4.0, "approve_bad": -10.0, "decline_good": 0.0, "decline_bad": 0.0}
DECISION = {"model": "champion", "reasons": 3, "costs": COSTS}


def contract() -> Contract:
    return loans()


def applications(rows: int = 1200, seed: int = 4) -> pd.DataFrame:
    """Return raw rows that follow the contract."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "number": np.arange(rows),
            "income": rng.gamma(2, 1500, rows).round(2),
            "score": np.where(rng.random(rows) < 0.1, -9, rng.integers(300, 851, rows)),
            "education": rng.choice([1, 2, 5], rows),
            "town": rng.choice(["Ulm", "Bonn", "n/a"], rows),
            "owner": rng.integers(0, 2, rows).astype(bool),
            "debt": rng.gamma(2, 900, rows).round(2),
            "sex": rng.choice([1, 2], rows),
        }
    )
    risk = frame["debt"] / 1500 - frame["income"] / 2500 - (frame["score"] - 500) / 300
    frame["bad"] = (rng.random(rows) < 1 / (1 + np.exp(-risk))).astype(int)
    return frame


def table(frame: pd.DataFrame) -> ir.Table:
    return ibis.memtable(frame)


def settings(**changes: Any) -> dict[str, Any]:
    return {**DECISION, **changes}
