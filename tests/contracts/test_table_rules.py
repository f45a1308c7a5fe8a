"""Rules over a table: an empty text is a missing one, an outcome is one of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts import Column, Contract, ContractError, request_model
from fin_kedro.contracts.tables import check_structure, split_rows
from tests.contracts.samples import prop, read

# the case empty_text


def test_an_empty_text_in_a_required_column_is_missing(tmp_path: Path) -> None:
    contract = read(tmp_path, prop("t", "string"))
    rows = pd.DataFrame({"id": list("abc"), "t": ["car", "", None], "bad": 0})
    for form in ("parquet", "csv"):
        path = tmp_path / f"rows.{form}"
        rows.to_parquet(path) if form == "parquet" else rows.to_csv(path, index=False)
        table = ibis.read_parquet(path) if form == "parquet" else ibis.read_csv(path)
        broken = split_rows(contract, table)[1].order_by("id").execute()
        assert list(zip(broken["id"], broken["reason"], strict=True)) == [
            ("b", "t is missing"),
            ("c", "t is missing"),
        ]
    with pytest.raises(ValueError, match="t is required"):
        request_model(contract).model_validate({"t": ""})


@pytest.mark.parametrize(
    "more", [{"required": False, "enum": ["car"]}, {"custom": {"missingCodes": [""]}}], ids=str
)
def test_an_empty_text_passes_where_one_may_be_missing(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    contract = read(tmp_path, prop("t", "string", **more))
    rows = pd.DataFrame({"id": list("ab"), "t": ["car", ""], "bad": 0})
    assert split_rows(contract, ibis.memtable(rows))[1].count().execute() == 0
    request_model(contract).model_validate({"t": ""})


@pytest.mark.parametrize(
    "options",
    [{"maximum": 0.1}, {"minimum": 0.1}, {"multipleOf": 0.1}, {"exclusiveMinimum": 0.0}],
    ids=str,
)
def test_numbers_of_32_bits_are_those_of_the_contract(
    tmp_path: Path, options: dict[str, float]
) -> None:
    contract = read(tmp_path, prop("v", "number", options=options))
    listed = read(tmp_path, prop("v", "number", enum=[0.1]))
    rows = pd.DataFrame({"id": ["a"], "v": [0.1], "bad": 0}).astype({"v": "float32"})
    for each in (contract, listed):
        assert split_rows(each, ibis.memtable(rows))[1].count().execute() == 0


# outcomes


def outcomes(values: list[Any], **more: Any) -> ibis.Table:
    rows = {"id": [str(n) for n in range(len(values))], "v": 1.0, "bad": values}
    return ibis.memtable(pd.DataFrame(rows, **more))


def target(folder: Path, type_: str = "integer", **more: Any) -> Contract:
    outcome = prop("bad", type_, "target", **more)
    return read(folder, prop("v", "number"), outcome, event="bad" if type_ == "string" else 1)


def test_a_third_outcome_without_an_enum_is_refused(tmp_path: Path) -> None:
    said = r"column bad: more than two outcomes: 0 \(2 rows\), 1 \(1 rows\), 2 \(1 rows\).*`enum`"
    with pytest.raises(ContractError, match=said):
        check_structure(target(tmp_path), outcomes([0, 0, 1, 2]))
    check_structure(target(tmp_path), outcomes([0, 0, 1, 1]))
    check_structure(target(tmp_path, custom={"missingCodes": [2]}), outcomes([0, 0, 1, 2]))
    check_structure(target(tmp_path, custom={"recode": {2: 0}}), outcomes([0, 0, 1, 2]))
    check_structure(target(tmp_path, enum=[0, 1, 2]), outcomes([0, 0, 1, 2]))


def test_the_bad_outcome_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"0 \(1 rows\), 2 \(1 rows\); a model learns.* 1 .bad"):
        check_structure(target(tmp_path), outcomes([0, 2]))
    with pytest.raises(ContractError, match="every row has only 1; a model learns from both"):
        check_structure(target(tmp_path), outcomes([1, 1]))


def test_many_documented_outcomes_are_all_looked_at(tmp_path: Path) -> None:
    words = ["a", "aa", "ab", "ac", "ad", "ae", "bad"]
    check_structure(target(tmp_path, "string", enum=words), outcomes(words))
    with pytest.raises(ContractError, match="unknown target value 'x'"):
        check_structure(target(tmp_path, "string", enum=words), outcomes([*words, "x", ""]))


# one value, judged in plain Python, in a request and in a table


NUMBERS = st.integers(-30, 30).map(float) | st.floats(-30, 30).map(lambda v: round(v, 2))
BOUND = st.none() | st.integers(-20, 20)
STEP = st.sampled_from([None, 1, 3, 0.5, 0.25, 0.1])


@settings(max_examples=40, deadline=None)
@given(BOUND, BOUND, BOUND, BOUND, STEP, st.lists(NUMBERS, min_size=1, max_size=12))
def test_numbers_under_any_rules(
    low: int | None, high: int | None, above: int | None, below: int | None,
    step: float | None, values: list[float],
) -> None:  # fmt: skip
    column = Column(
        name="v", type="number", role="feature", minimum=low, maximum=high,
        exclusive_minimum=above, exclusive_maximum=below, multiple_of=step,
    )  # fmt: skip
    columns = (Column(name="id", type="string", role="id"), column)
    contract = Contract(name="n", version="1", columns={c.name: c for c in columns})
    table = ibis.memtable(pd.DataFrame({"id": [str(n) for n in range(len(values))], "v": values}))

    def right(v: float) -> bool:
        kept = (
            (low is None or v >= low) and (high is None or v <= high)
            and (above is None or v > above) and (below is None or v < below)
        )  # fmt: skip
        # in hundredths, whole numbers: nothing is rounded
        return kept and (step is None or round(v * 100) % round(step * 100) == 0)

    expected = [v for v in values if not right(v)]
    assert [v for v in values if column.problem(v)] == expected
    broken = split_rows(contract, table)[1]
    found = broken.order_by(broken.id.cast("int64")).v.execute().tolist()
    assert found == expected
