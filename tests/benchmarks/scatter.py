"""How far AUC and calibration slope of an honest model scatter, by the rows they are measured on.

    python -m tests.benchmarks.scatter

Prints the table of docs/policy.md: medians over 60 drawn samples of one population.
"""

from __future__ import annotations

import statistics

import numpy as np

from fin_kedro.checks.calibration import recalibration
from fin_kedro.checks.discrimination import delong


def main() -> None:
    """Draw and print."""
    print("| rows | bad rows | AUC, about ± | calibration slope, about ± |\n|---|---|---|---|")
    for rows in (160, 800, 1200, 8000):
        rng, halves = np.random.default_rng(rows), []
        for _ in range(60):
            said = rng.beta(0.9, 2.7, rows).clip(1e-4, 1 - 1e-4)
            target = (rng.random(rows) < said).astype(int)
            _, covariance = delong(target=target, scores=[said])
            slope = recalibration(target=target, probability=said).loc["slope"]
            halves.append(
                (int(target.sum()), 1.96 * covariance[0, 0] ** 0.5, slope["high"] - slope["value"])
            )
        bads, auc, slope_ = (statistics.median(values) for values in zip(*halves, strict=True))
        print(f"| {rows:,} | {bads:.0f} | {auc:.3f} | {slope_:.2f} |")


if __name__ == "__main__":
    main()
