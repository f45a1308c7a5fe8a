"""Gates are declared by what a notebook says; what did not run in order is found."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from sealed_kernel.fail_closed import (
    RefusalError,
    check_before,
    check_executed,
    declared_gates,
    gate_plan,
    unreached_gates,
)
from sealed_kernel.screening import Screen
from sealed_kernel.watch import GateFailed, Watch


def notebook(*sources: str, tags: dict[int, list[str]] | None = None) -> Any:
    cells = [
        nbformat.v4.new_code_cell(s, id=f"c{n}", metadata={"tags": (tags or {}).get(n, [])})
        for n, s in enumerate(sources)
    ]
    return nbformat.v4.new_notebook(cells=cells)


def counted(*counts: int | None) -> Any:
    node = notebook(*["x = 1"] * len(counts))
    for cell, count in zip(node.cells, counts, strict=True):
        cell.execution_count = count
    return node


def test_ways_to_declare_a_gate() -> None:
    node = notebook(
        "rows: int = 1\n# gates: KS, PSI",
        "gate('AUC', auc > 0.7)  # gate('comment', True)",
        "from sealed_kernel import watch\n# gate('not this', True)\nwatch.gate(\"Brier\", ok)",
        "assert True",
        "assert True",
        tags={0: ["parameters"], 3: ["gate:fair"], 4: ["gate"]},
    )
    assert declared_gates(node, ["PAR"]) == {
        **{"KS": 0, "PSI": 0, "AUC": 1, "Brier": 2, "fair": 3, "c4": 4},
        "PAR": 4,
    }
    assert gate_plan(node) == {4: "fair", 5: "c4"}


def test_a_gate_of_the_notebooks_own_is_none_of_ours() -> None:
    assert declared_gates(notebook("def gate(name): ...", "gate('own')")) == {}


def test_a_verdict_stands_for_its_gate() -> None:
    node = notebook("record()")
    data = {"application/vnd.fin-kedro.verdicts+json": {"verdicts": [{"code": "FAI-AIR-SEX"}]}}
    node.cells[0].outputs = [nbformat.v4.new_output("display_data", data=data)]
    missing = unreached_gates(node, {"FAI-AIR": 0, "FAI": 0, "PSI": 0, "KS": 0}, {"KS": "passed"})
    assert [(f.index, f.name, f.message) for f in missing] == [
        (0, "GateNotReached", "gate 'PSI' was declared and not reached.")
    ]


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        ((1, 2, 3), []),
        ((1, None, 2), ["NotExecuted", "OutOfOrder"]),
        ((2, 1, 3), ["OutOfOrder", "OutOfOrder"]),
        ((1, 2, 4), ["OutOfOrder"]),
    ],
)
def test_an_executed_notebook_counts_from_one(counts: tuple[int, ...], names: list[str]) -> None:
    assert [failure.name for failure in check_executed(counted(*counts))] == names


def test_a_notebook_saved_in_another_order_is_refused() -> None:
    with pytest.raises(RefusalError, match="saved out of order: cell 1 was run after cell 2"):
        check_before(counted(2, 1), Screen())
    check_before(counted(1, 4), Screen())  # run again, in order: it is executed anew anyway
    check_before(counted(None, None), Screen())


def test_a_secret_given_as_a_parameter_is_refused() -> None:
    node = notebook(
        "key: str = ''",
        f"key = 'gh{'p_' + 'a1B2' * 9}'",
        tags={0: ["parameters"], 1: ["injected-parameters"]},
    )
    with pytest.raises(RefusalError, match="a parameter holds access token") as error:
        check_before(node, Screen())
    assert "a1B2" not in str(error.value)


def test_a_gate_that_failed_once_has_failed() -> None:
    watch = Watch()
    with pytest.raises(GateFailed, match="gate 'AUC' failed"):
        watch.gate("AUC", False)
    watch.gate("AUC", True)
    watch.gate("KS", None)
    assert watch.gates == {"AUC": "failed", "KS": "not applicable"}
    assert [problem["name"] for problem in watch.take()] == ["GateFailed"]
    assert watch.take() == []
