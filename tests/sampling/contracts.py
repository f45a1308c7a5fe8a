"""Contracts of many kinds, and tables that keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from fin_kedro.contracts.model import Column, Contract

RULES: dict[str, list[dict[str, Any]]] = {
    "integer": [
        {}, {"minimum": 0, "maximum": 9}, {"minimum": -5, "missing_codes": (-9,)},
        {"multiple_of": 5, "minimum": 3}, {"allowed": (1, 2, 7), "nominal": True},
        {"exclusive_minimum": 3, "maximum": 5, "required": False}, {"allowed": (10, 20)},
    ],
    "number": [
        {}, {"minimum": 0.0, "maximum": 1.0}, {"example": 250.5, "required": False},
        {"exclusive_minimum": 0.0, "missing_codes": (-1.0,)}, {"multiple_of": 0.05, "maximum": 2.0},
        {"exclusive_maximum": -4.0}, {"minimum": 1e6},
    ],
    "string": [
        {}, {"allowed": ("a", "b", "c")}, {"pattern": "^[A-Z]{2}-\\d{3}$"},
        {"min_length": 3, "max_length": 3}, {"example": "nurse", "missing_codes": ("n/a",)},
        {"recode": {"auto": "car"}, "allowed": ("car", "home"), "required": False},
        {"pattern": "^(north|south)_[^x]+$", "max_length": 12}, {"pii": "personal"},
    ],
    "boolean": [{}, {"required": False}, {"allowed": (True, False)}],
    "date": [
        {}, {"minimum": "2020-01-01", "maximum": "2020-12-31"}, {"required": False},
        {"exclusive_maximum": "2026-06-01", "missing_codes": ("1900-01-01",)},
    ],
    "timestamp": [{}, {"minimum": "2024-01-01T10:00:00Z"}, {"required": False}],
}  # fmt: skip
IDS: list[dict[str, Any]] = [
    {"type": "integer"}, {"type": "integer", "minimum": 1000, "multiple_of": 10},
    {"type": "string"}, {"type": "string", "pattern": "^[A-Z]{3}\\d{6}$"},
    {"type": "string", "min_length": 12},
]  # fmt: skip
TARGETS: list[dict[str, Any]] = [
    {"type": "integer", "allowed": (0, 1)}, {"type": "string", "allowed": ("good", "bad")},
    {"type": "boolean"}, {"type": "integer", "required": False},
]  # fmt: skip
EVENTS = {"integer": 1, "string": "bad", "boolean": True}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """An id, an outcome, and up to six other columns with rules of all kinds."""
    columns = [Column(name="key", role="id", **draw(st.sampled_from(IDS)))]
    for place in range(draw(st.integers(1, 6))):
        type_ = draw(st.sampled_from(sorted(RULES)))
        roles = ["protected", "ignored", *(["feature"] * 3 if type_ in PLAIN else [])]
        rules = draw(st.sampled_from(RULES[type_]))
        role, sign = draw(st.sampled_from(roles)), draw(st.sampled_from([-1, 0, 1]))
        columns.append(Column(name=f"c{place}", type=type_, role=role, sign=sign, **rules))
    columns.append(Column(name="y", role="target", **draw(st.sampled_from(TARGETS))))
    named = {column.name: column for column in columns}
    event = EVENTS[named["y"].type]
    return Contract(name="random", version="1.0.0", columns=named, event=event)


PLAIN = ("integer", "number", "string", "boolean")


def loans() -> Contract:
    """A contract with a column of each kind, and a rule between two of them."""
    from fin_kedro.contracts.model import Comparison

    columns = [
        Column(name="no", type="string", role="id", pattern="^L\\d{7}$"),
        Column(name="opened", type="date", role="time"),
        Column(name="income", type="number", role="feature", minimum=0, missing_codes=(-9.0,)),
        Column(name="late", type="integer", role="feature", minimum=0, maximum=99, sign=1),
        Column(name="low", type="integer", role="feature", minimum=0),
        Column(name="high", type="integer", role="feature", minimum=0, required=False),
        Column(name="job", type="string", role="feature", pii="personal"),
        Column(name="town", type="string", role="feature"),
        Column(name="mail", type="string", pattern="^[a-z]+@bank\\.example$"),
        Column(name="bad", type="boolean", role="target"),
    ]
    return Contract(
        name="loans", version="1.0.0", columns={c.name: c for c in columns}, event=True,
        comparisons=(Comparison(left="high", sign=">=", right="low"),),
    )  # fmt: skip


def loan_rows(rows: int, seed: int = 3) -> pd.DataFrame:
    """Rows of that contract; three of them of a town that nobody else is from."""
    rng = np.random.default_rng(seed)
    income = rng.lognormal(7.5, 0.6, rows).round(2)
    late = rng.poisson(0.7, rows)
    low = rng.integers(0, 500, rows)
    town = rng.choice(["Ulm", "Bonn", "Kiel"], rows, p=[0.6, 0.3, 0.1]).astype(object)
    town[:3] = "Entenhausen"
    income[rng.random(rows) < 0.1] = -9.0
    bad = rng.random(rows) < 1 / (1 + np.exp(2.2 - late - (town == "Kiel") + income / 4000))
    high = pd.Series(low + rng.integers(0, 200, rows), dtype="Int64")
    return pd.DataFrame({
        "no": [f"L{n:07d}" for n in rng.permutation(rows)],
        "opened": (pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 500, rows), "D")),
        "income": income, "late": late, "low": low, "high": high.mask(rng.random(rows) < 0.2),
        "job": rng.choice(["baker", "nurse"], rows), "town": town,
        "mail": [f"{'ab'[n % 2] * (n % 9 + 1)}@bank.example" for n in range(rows)], "bad": bad,
    })  # fmt: skip
