"""The scorer: as many answers as rows, in order, and only from the approved package."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fin_kedro
from fin_kedro.governance.package import PackageError
from fin_kedro.serving.scorer import Decision, Refused, Scorer

from .tiny_package import JOBS, expected, golden_rows, parts, tiny_contract, tiny_graph, write_tiny

GOOD = {"income": 500.0, "late_payments": 2, "job": "miner"}
valid_rows = st.fixed_dictionaries(
    {"income": st.floats(0, 10_000)},
    optional={
        "late_payments": st.none() | st.integers(0, 3),
        "job": st.none() | st.sampled_from(sorted(JOBS)) | st.text(min_size=1, max_size=8),
        "id": st.text(max_size=8),
    },
)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("scorer") / "package"
    return Scorer.from_package(folder, write_tiny(folder))


def decisions(found: list[Decision | Refused]) -> list[Decision]:
    assert all(isinstance(item, Decision) for item in found)
    return found  # type: ignore[return-value]


def test_one_decision(scorer: Scorer) -> None:
    [found] = decisions(scorer.score([{**GOOD, "id": "a-1"}]))
    assert found.probability == pytest.approx(expected(GOOD), abs=1e-9)
    assert (found.id, found.decision, found.threshold) == ("a-1", "decline", 0.4)
    assert (found.model.workflow, found.model.version) == ("credit", "development")
    assert found.model.digest == scorer.package.digest


def test_reasons_are_the_strongest_that_raise_the_risk(scorer: Scorer) -> None:
    [found] = decisions(scorer.score([GOOD]))
    assert [(r.code, r.column, r.text) for r in found.reasons] == [
        ("LATE", "late_payments", "payments were late"),
        ("JOB", "job", "the occupation"),
    ]
    assert [r.contribution for r in found.reasons] == pytest.approx([1.6, 1.5])
    [safe] = decisions(scorer.score([{"income": 9000.0, "late_payments": 0, "job": "nurse"}]))
    assert (safe.decision, safe.reasons) == ("approve", [])


def test_at_the_threshold_the_answer_is_decline(tmp_path: Path) -> None:
    [row] = [r for r in golden_rows() if r["application"]["income"] == 300.0]
    write_tiny(tmp_path / "first")
    exact = Scorer.from_package(tmp_path / "first").probabilities([row["application"]])[0]
    write_tiny(tmp_path / "p", decision={"threshold": float(exact), "reasons": 4})
    [found] = decisions(Scorer.from_package(tmp_path / "p").score([row["application"]]))
    assert found.decision == "decline"


@given(rows=st.lists(valid_rows, max_size=20))
@settings(deadline=None, max_examples=100)
def test_every_valid_row_gets_its_own_answer_in_order(
    scorer: Scorer, rows: list[dict[str, Any]]
) -> None:
    found = decisions(scorer.score(rows))
    assert len(found) == len(rows)
    for row, item in zip(rows, found, strict=True):
        assert item.probability == pytest.approx(expected(row), abs=1e-6)
        assert item.id == row.get("id")
        assert (
            sum(r.contribution for r in item.reasons) <= sum(p for p in parts(row) if p > 0) + 1e-6
        )


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({}, "income"),
        ({"income": None}, "income"),
        ({"income": math.nan}, "income"),
        ({"income": math.inf}, "income"),
        ({"income": 10**400}, "income"),
        ({"income": "500"}, "income"),
        ({"income": True}, "income"),
        ({"income": [1]}, "income"),
        ({**GOOD, "late_payments": "2"}, "late_payments"),
        ({**GOOD, "job": ["miner"]}, "job"),
        ({**GOOD, "job": True}, "job"),
    ],
)
def test_a_bad_row_is_refused_in_its_place(scorer: Scorer, row: dict[str, Any], field: str) -> None:
    found = scorer.score([GOOD, row, GOOD])
    assert [type(item) for item in found] == [Decision, Refused, Decision]
    assert isinstance(found[1], Refused)
    assert found[1].field == field
    assert found[0] == found[2]


def test_a_row_the_graph_itself_refuses_leaves_its_neighbours_alone(scorer: Scorer) -> None:
    poison = {**GOOD, "job": "\ud800", "id": "poison"}
    found = scorer.score([GOOD, poison, GOOD])
    assert [type(item) for item in found] == [Decision, Refused, Decision]
    assert found[1].id == "poison"


def test_missing_values_in_every_form(scorer: Scorer) -> None:
    forms = [
        {"income": 1.0},
        {"income": 1.0, "late_payments": None, "job": None},
        {"income": np.float64(1), "late_payments": math.nan, "job": ""},
    ]
    assert len({item.probability for item in decisions(scorer.score(forms))}) == 1


def test_no_rows(scorer: Scorer) -> None:
    assert scorer.score([]) == []


def test_many_threads_share_one_scorer(scorer: Scorer) -> None:
    rows = [{"income": float(i)} for i in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: scorer.probabilities([row])[0], rows))
    assert found == pytest.approx([expected(row) for row in rows], abs=1e-9)


def test_another_digest_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "p")
    with pytest.raises(PackageError, match="is not the approved one"):
        Scorer.from_package(tmp_path / "p", "0" * 64)


def test_golden_rows_that_differ_are_refused(tmp_path: Path) -> None:
    golden = golden_rows()
    golden[3] = {**golden[3], "probability": golden[3]["probability"] + 2e-6}
    write_tiny(tmp_path / "p", golden=golden)
    with pytest.raises(PackageError, match=r"golden row 3 .*this machine computes"):
        Scorer.from_package(tmp_path / "p")


def test_a_package_without_golden_rows_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "p", golden=[])
    with pytest.raises(PackageError, match="holds no golden rows"):
        Scorer.from_package(tmp_path / "p")


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "p", model=b"not onnx")
    with pytest.raises(PackageError, match=r"cannot load model\.onnx"):
        Scorer.from_package(tmp_path / "p")


def test_a_protected_column_in_the_graph_is_refused(tmp_path: Path) -> None:
    graph = tiny_graph(reason_columns=("income", "late_payments", "sex"))
    write_tiny(tmp_path / "p", model=graph)
    with pytest.raises(PackageError, match="'sex', which is no feature"):
        Scorer.from_package(tmp_path / "p")


def test_scoring_imports_neither_training_nor_table_libraries(tmp_path: Path) -> None:
    write_tiny(tmp_path / "p")
    heavy = [
        "bentoml",
        "catboost",
        "duckdb",
        "ibis",
        "kedro",
        "mlflow",
        "onnx",
        "pandas",
        "pandera",
        "pyarrow",
        "sklearn",
    ]
    script = (
        "import json, sys; from fin_kedro.serving.scorer import Scorer; "
        f"Scorer.from_package({str(tmp_path / 'p')!r}); "
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    )
    source = str(Path(fin_kedro.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


def test_the_contract_of_the_tests_is_sound() -> None:
    assert [c.name for c in tiny_contract().features] == ["income", "late_payments", "job"]
