"""Generated clients with a known risk: one number up, one down, one category."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FEATURES: dict[str, dict[str, Any]] = {
    "delay": {"nominal": False, "sign": 1},
    "income": {"nominal": False, "sign": -1},
    "job": {"nominal": True, "sign": 0},
}


def clients(rows: int = 1500, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features with missing values and noise against the signs, and the outcome."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "delay": rng.integers(0, 6, rows).astype(float),
            "income": rng.gamma(2, 20, rows).round(1),
            "job": rng.choice(["clerk", "pilot", "nurse", ""], rows, p=[0.5, 0.3, 0.19, 0.01]),
        }
    )
    log_odds = 0.5 * x["delay"] - x["income"] / 30 + (x["job"] == "pilot") - 0.8
    log_odds += (x["delay"] == 4) * -1.5  # against the sign: the constraint must smooth it out
    y = (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)
    x.loc[rng.random(rows) < 0.05, "income"] = np.nan
    return x, y
