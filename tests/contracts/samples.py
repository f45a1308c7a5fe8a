"""Contracts to test with: the project's own, and a small one with every kind of rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract
from fin_kedro.contracts.reading import read_contract

CREDIT = Path(__file__).parents[2] / "conf/base/contracts/credit_applications.odcs.yaml"


def credit_contract() -> Contract:
    """Return the project's contract."""
    return read_contract(CREDIT)


def loans() -> Contract:
    """Return a contract with ranges, lists, recodes, missing codes and optional columns."""
    columns = (
        Column(name="number", type="integer", role="id", line=3),
        Column(name="income", type="number", role="feature", minimum=0, maximum=10_000_000, line=7),
        Column(
            name="score",
            type="integer",
            role="feature",
            minimum=300,
            maximum=850,
            missing_codes=(-9,),
            recode={0: 300},
            line=11,
        ),
        Column(
            name="education",
            type="integer",
            role="feature",
            allowed=(1, 2),
            labels={1: "school"},
            recode={5: 2},
            nominal=True,
            line=15,
        ),
        Column(
            name="town",
            type="string",
            role="feature",
            required=False,
            missing_codes=("n/a",),
            nominal=True,
            line=19,
        ),
        Column(name="owner", type="boolean", role="feature", required=False, line=23),
        Column(name="debt", type="number", role="feature", required=False, line=27),
        Column(name="sex", type="integer", role="protected", allowed=(1, 2), line=31),
        Column(name="bad", type="integer", role="target", allowed=(0, 1), line=35),
    )
    return Contract(
        name="loans", version="1.0.0", path="loans.odcs.yaml", columns={c.name: c for c in columns}
    )


def allowed_value(column: Column) -> st.SearchStrategy[Any]:
    """Draw any raw value that the column's rule allows."""
    low, high = column.minimum, column.maximum
    free: Mapping[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: st.integers(
            None if low is None else int(low), None if high is None else int(high)
        ),
        "number": lambda: st.floats(low, high, allow_nan=False, allow_infinity=False),
        "string": st.text,
        "boolean": st.booleans,
    }
    value = st.sampled_from(column.allowed) if column.allowed else free[column.type]()
    if column.recode or column.missing_codes:
        value |= st.sampled_from((*column.recode, *column.missing_codes))
    return value if column.required else value | st.none()


def application(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a row of feature columns; optional ones may be left out."""
    must = {c.name: allowed_value(c) for c in contract.features if c.required}
    may = {c.name: allowed_value(c) for c in contract.features if not c.required}
    return st.fixed_dictionaries(must, optional=may)
