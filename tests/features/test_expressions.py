"""Features read feature columns only, however they are written, and mean what they say."""

from __future__ import annotations

import math
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import ContractError
from fin_kedro.features.expressions import (
    Definitions,
    count_true,
    feature_columns,
    feature_expressions,
    mean,
    ratio,
    reads,
    total,
)
from tests.contracts.samples import application, credit_contract, loans

LOANS, CREDIT = loans(), credit_contract()
CREDIT_FEATURES = "fin_kedro.features.credit:credit_features"
definitions = Definitions()


def features_of(monkeypatch: pytest.MonkeyPatch, *, reason: str = "income", **defined: Any) -> Any:
    """Return the features of the loans with these definitions beside their own columns."""
    found = Definitions()
    for name, function in defined.items():
        function.__name__ = name
        found.feature(reason_column=reason)(function)
    monkeypatch.setattr(f"{__name__}.definitions", found)
    return feature_expressions(LOANS, f"{__name__}:definitions")


def values(features: Any, *rows: dict[str, Any]) -> pd.DataFrame:
    """Compute features of the loans on DuckDB."""
    schema = {"income": "float64", "score": "int64", "education": "int64", "town": "string"}
    schema |= {"owner": "boolean", "debt": "float64"}
    full = [{**dict.fromkeys(schema), "place": i, **row} for i, row in enumerate(rows)]
    table = ibis.memtable(pd.DataFrame(full).astype(object), schema={"place": "int64", **schema})
    made = table.select("place", **feature_columns(LOANS, features, table))
    return made.order_by("place").drop("place").execute()


# the guard

FORBIDDEN = {
    "directly": lambda t: t.sex,
    "in a condition": lambda t: (t.sex == 1).ifelse(t.income, 0.0),
    "in a case": lambda t: ibis.cases((t.sex == 1, 1.0), else_=2.0),
    "in arithmetic": lambda t: t.income * 0 + t.sex,
    "under another name": lambda t: t.rename(gender="sex").gender,
    "through a new column": lambda t: t.mutate(x=t.sex + 1).x,
    "through two new columns": lambda t: t.mutate(x=t.sex).mutate(y=ibis._.x).y,
    "by a filter": lambda t: t.filter(t.sex == 1).income,
    "by an aggregate": lambda t: t.sex.mean(),
    "by a window": lambda t: t.income.mean().over(ibis.window(group_by=t.sex)),
    "no column at all": lambda t: 3.0,
    "the target": lambda t: t.bad + 0.0,
    "the id": lambda t: t.number + 0.0,
}


@pytest.mark.parametrize("way", FORBIDDEN)
def test_a_forbidden_column_is_refused(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with pytest.raises(ContractError, match="'sneaky' (reads (sex|bad|number),|makes a table)"):
        features_of(monkeypatch, sneaky=FORBIDDEN[way])


def test_the_refusal_names_role_line_and_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = r"reads sex, whose role .* 'protected' \(loans.odcs.yaml:31\).*debt, education, income"
    with pytest.raises(ContractError, match=said):
        features_of(monkeypatch, sneaky=FORBIDDEN["directly"])


@pytest.mark.parametrize("reason", ["sex", "incme"])
def test_the_reason_must_be_a_feature_column(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    with pytest.raises(ContractError, match=f"reason column '{reason}'; allowed: debt"):
        features_of(monkeypatch, reason=reason, double=lambda t: t.income * 2)


def test_a_name_is_given_once() -> None:
    found = Definitions()

    def double(t: ir.Table) -> ir.Value:
        return t.income * 2

    found.feature(reason_column="income")(double)
    with pytest.raises(ContractError, match="'double' is defined twice"):
        found.feature(reason_column="income")(double)


def test_a_contract_columns_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContractError, match="'debt' has the name of a contract column"):
        features_of(monkeypatch, debt=lambda t: t.income)


@pytest.mark.parametrize(
    "path",
    ["no.such:thing", "fin_kedro.features.credit:nothing", "fin_kedro.features.credit", "", ":x"],
)
def test_definitions_that_cannot_be_imported(path: str) -> None:
    with pytest.raises(ContractError, match="cannot be imported.*'package.module:name'"):
        feature_expressions(LOANS, path)


def test_definitions_of_another_kind() -> None:
    with pytest.raises(ContractError, match="is no Definitions object"):
        feature_expressions(LOANS, "fin_kedro.features.credit:utilisation")


# meaning


def test_own_columns_come_first_in_the_contracts_order() -> None:
    features = feature_expressions(LOANS)
    assert list(features) == [c.name for c in LOANS.features]
    assert [n for n, f in features.items() if f.nominal] == ["education", "town"]
    assert reads(features) == {name: [name] for name in features}


def test_raw_codes_are_read_by_the_contracts_rule() -> None:
    found = values(
        feature_expressions(LOANS),
        {"score": -9, "education": 5, "town": "n/a", "owner": True},
        {"score": 0, "education": 1, "town": "Ulm", "income": 3.0},
    )
    assert math.isnan(found["score"][0]) and found["score"][1] == 300
    assert found["education"].tolist() == ["2", "1"]
    assert pd.isna(found["town"][0]) and found["town"][1] == "Ulm"
    assert found["owner"][0] == 1.0


def test_a_derived_feature_reads_clean_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(monkeypatch, double=lambda t: t.score * 2)
    found = values(features, {"score": -9}, {"score": 0}, {"score": 400})["double"]
    assert math.isnan(found[0]) and found.tolist()[1:] == [600, 800]
    assert reads(features)["double"] == ["score"]


NUMBER = st.none() | st.sampled_from([0.0, -0.0, 1.0]) | st.floats(-1e6, 1e6, allow_subnormal=False)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=5))
def test_a_ratio_is_finite_or_missing(pairs: list[tuple[float | None, float | None]]) -> None:
    table = ibis.memtable(pd.DataFrame(pairs, columns=["a", "b"], dtype="float64"))
    found = table.select(r=ratio(table.a, table.b)).execute()["r"]
    for (a, b), r in zip(pairs, found, strict=True):
        if a is None or not b:
            assert pd.isna(r)
        else:
            assert math.isfinite(r) and r == a / b


def test_sums_means_and_counts_of_something_missing() -> None:
    table = ibis.memtable(pd.DataFrame({"a": [1.0, None], "b": [3.0, 3.0]}))
    both = [table.a, table.b]
    made = {"t": total(both), "m": mean(both), "n": count_true([c > 2 for c in both])}
    found = table.select(**made).execute()
    assert found.iloc[0].tolist() == [4, 2, 1]
    assert found[["t", "m"]].iloc[1].isna().all() and found["n"][1] == 1


# the credit features against plain Python


def slow(row: dict[str, Any]) -> dict[str, float]:
    """Compute each credit feature with plain numbers, as its description says."""
    limit = row["LIMIT_BAL"]
    bill = [row[f"BILL_AMT{m}"] for m in range(1, 7)]
    paid = [row[f"PAY_AMT{m}"] for m in range(1, 7)]
    status = [row[f"PAY_{m}"] for m in (0, 2, 3, 4, 5, 6)]
    delay = [max(s, 0) for s in status]
    share = [p / b if b > 0 else math.nan for p, b in zip(paid, bill[1:], strict=False)]
    of_limit = (lambda x: x / limit) if limit else (lambda x: math.nan)
    return {
        "utilisation": of_limit(bill[0]),
        "utilisation_worst": of_limit(max(bill)),
        "utilisation_mean": of_limit(sum(bill) / 6),
        "utilisation_change": of_limit(bill[0] - bill[5]),
        "headroom": limit - bill[0],
        "delay_worst": max(delay),
        "months_late": sum(s > 0 for s in status),
        "months_late_two": sum(s >= 2 for s in status),
        "delay_recent": 4 * delay[0] + 2 * delay[1] + delay[2],
        "delay_change": status[0] - status[1],
        "paid_share": share[0],
        "paid_share_before": share[1],
        "paid_of_limit": of_limit(sum(paid)),
        "paid_mean": sum(paid) / 6,
        "paid_least": min(paid),
        "months_unpaid": sum(p == 0 for p in paid),
    }


ROWS = st.lists(application(CREDIT), min_size=1, max_size=6)


def credit_values(rows: list[dict[str, Any]]) -> pd.DataFrame:
    others = {c.name: 0 for c in CREDIT.columns.values() if c.role != "feature"}
    frame = pd.DataFrame([{**others, **row} for row in rows]).assign(ID=range(len(rows)))
    table = ibis.memtable(frame)
    features = feature_expressions(CREDIT, CREDIT_FEATURES)
    return table.select("ID", **feature_columns(CREDIT, features, table)).order_by("ID").execute()


@settings(max_examples=12, deadline=None)
@given(ROWS, st.booleans())
def test_credit_features_equal_a_slow_reference(rows: list[dict[str, Any]], no_limit: bool) -> None:
    if no_limit:
        rows = [{**row, "LIMIT_BAL": 0} for row in rows]
    found, expected = credit_values(rows), pd.DataFrame([slow(row) for row in rows])
    for name in expected:
        np.testing.assert_allclose(
            found[name].to_numpy(dtype=float), expected[name], rtol=1e-12, err_msg=name
        )
    assert not np.isinf(found.select_dtypes("number").to_numpy(dtype=float)).any()


def test_credit_features_of_missing_values_are_missing_or_count_nothing() -> None:
    row: dict[str, Any] = {c.name: None for c in CREDIT.features}
    frame = pd.DataFrame([{**row, "ID": 1}]).astype(dict.fromkeys(row, "Int64"))
    table = ibis.memtable(frame)
    features = feature_expressions(CREDIT, CREDIT_FEATURES)
    found = table.select(**feature_columns(CREDIT, features, table)).execute().iloc[0]
    counts = [name for name in found.index if name.startswith("months_")]
    assert (found[counts] == 0).all()
    assert found.drop([*counts, "delay_worst", "delay_recent"]).isna().all()
