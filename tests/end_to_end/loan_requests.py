"""A second data set, made by a seed: other names, strings, missing values, special codes, dates."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import ROOT

EXAMPLE = ROOT / "docs/examples/own_data"
WORKFLOW = ROOT / "docs/examples/own_workflow"
OCCUPATIONS = np.array(
    [
        *("baker", "carpenter", "clerk", "cook", "driver", "electrician", "engineer", "farmer"),
        *("lawyer", "mason", "nurse", "painter", "plumber", "teacher", "waiter", "welder"),
    ]
)


def make_requests(rows: int = 6000, seed: int = 5) -> pd.DataFrame:
    """Loan requests whose outcome depends on the features, in part through interactions."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, len(OCCUPATIONS), rows)
    income = rng.lognormal(7.7, 0.5, rows).round(2)
    years = rng.poisson(5, rows).clip(0, 40)
    debt = rng.beta(2, 4, rows).round(3)
    late = rng.poisson(0.8, rows)
    savings = rng.random(rows) < 0.5
    purpose = rng.choice(["car", "auto", "home", "education", "travel"], rows)
    score = (
        -3.2
        + 1.7 * late
        + np.where(income < 2000, 9.0, 2.0) * (debt - 0.33)
        - 1.4 * savings * (late > 0)
        - 0.2 * (years - 5)
        + np.linspace(-1.8, 1.8, len(OCCUPATIONS))[place]
        + 1.0 * (purpose == "travel")
    )
    bad = rng.random(rows) < 1 / (1 + np.exp(-score))
    table = pd.DataFrame(
        {
            "request_no": [f"R{number:06d}" for number in rng.permutation(rows)],
            "requested_on": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(rng.integers(0, 600, rows), "D"),
            "monthly_income": income,
            "years_employed": years,
            "debt_share": debt,
            "late_payments": late,
            "has_savings": savings,
            "purpose": purpose,
            "occupation": OCCUPATIONS[place],
            "gender": rng.choice(["f", "m", "x"], rows, p=[0.49, 0.49, 0.02]),
            "age": rng.integers(20, 75, rows),
            "branch": rng.choice(["north", "south"], rows),
            "outcome": np.where(bad, "bad", "good"),
            "note": "outside the contract",
        }
    )
    table = _with_gaps(table, rng)
    table["customer_since"] = _first_days(table, bad, np.random.default_rng(seed + 1))
    return table


def _first_days(table: pd.DataFrame, bad: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """Days of the first account: earlier for those who pay, missing as nothing and as a code."""
    ago = rng.exponential(np.where(bad, 700, 1500)).astype(int)
    days = table["requested_on"] - pd.to_timedelta(ago, "D")
    kind = rng.random(len(table))
    return days.mask(kind < 0.05).mask(kind > 0.93, pd.Timestamp("1900-01-01"))


def _with_gaps(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing as nothing, as -9, and as a word; a few rows that break the contract."""

    def some(share: float) -> np.ndarray:
        return rng.random(len(table)) < share

    gaps = {
        "monthly_income": [(0.05, None), (0.05, -9)],
        "years_employed": [(0.03, None), (0.04, -9)],
        "debt_share": [(0.04, None)],
        "late_payments": [(0.06, -9)],
        "occupation": [(0.04, None), (0.02, "n/a")],
        "gender": [(0.02, None)],
        "age": [(0.03, -9)],
        "branch": [(0.5, None)],
    }
    for name, kinds in gaps.items():
        column = table[name].astype("Int64") if table[name].dtype.kind == "i" else table[name]
        for share, code in kinds:
            column = column.mask(some(share), code if code is not None else pd.NA)
        table[name] = column
    table.loc[[10, 20, 30], "purpose"] = "rocket"
    table.loc[40, "late_payments"] = -4
    return table


def install_example(project: Path, environment: str = "own") -> Path:
    """Copy the documented example into a project as an environment of its own, with its data."""
    target = project / "conf" / environment
    (target / "contracts").mkdir(parents=True)
    for file in sorted(EXAMPLE.iterdir()):
        folder = target / "contracts" if file.name.endswith(".odcs.yaml") else target
        shutil.copy2(file, folder / file.name)
    make_requests().to_csv(
        project / "data/01_raw/loan_requests.csv", index=False, date_format="%Y-%m-%d"
    )
    return project


def install_workflow(project: Path, environment: str = "own") -> Path:
    """Add the documented third workflow, `loans`, to the environment of the example above."""
    install_example(project, environment)
    for file in sorted(WORKFLOW.iterdir()):
        shutil.copy2(file, project / "conf" / environment / file.name)
    return project
