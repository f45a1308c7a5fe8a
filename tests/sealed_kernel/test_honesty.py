"""Notebooks run out of order, edited, skipped or patched together are recognised."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sealed_kernel import honesty
from sealed_kernel.honesty import Cell, Execution, Finding, digest, judge, judge_notebook


def document(*sources: str, ids: bool = True, counts: list[int | None] | None = None) -> list[Cell]:
    """Code cells a, b, c …, with ids and counts where wished."""
    return [
        Cell(n, f"id-{n}" if ids else None, source, counts[n - 1] if counts else None)
        for n, source in enumerate(sources, 1)
    ]


def ran(cells: list[Cell], *numbers: int, ids: bool = True) -> list[Execution]:
    """The executions of these cells, in this order."""
    return [
        Execution(digest(cells[n - 1].source), count, cells[n - 1].id if ids else None)
        for count, n in enumerate(numbers, 1)
    ]


def kinds(findings: tuple[Finding, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(finding.kind, finding.cells) for finding in findings]


FOUR = document("a = 1", "b = a + 1", "c = b + 1", "print(c)")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((1, 2, 3, 4), []),
        ((1, 2), []),
        ((), []),
        ((1, 3, 2, 4), ["cell 2 was run after cell 3, which stands below it"]),
        ((4, 1, 2, 3), ["cell 4 was run before cell 1, which stands above it"]),
        ((4, 3, 2, 1), ["cells 1 to 3 were run out of order"]),
        ((1, 2, 3, 4, 2), ["cell 2 was run after cell 3, which stands below it"]),
        ((1, 2, 2, 3), ["cell 2 was run more than once"]),
        ((1, 4), ["cells 2 and 3 were not run, though a cell below was"]),
        ((1, 2, 3, 4, 1, 2, 3, 4), ["cells 1 to 4 were run more than once"]),
    ],
)
@pytest.mark.parametrize("ids", [True, False])
def test_order(order: tuple[int, ...], expected: list[str], ids: bool) -> None:
    messages = [str(finding) for finding in judge(FOUR, ran(FOUR, *order, ids=ids))]
    if order == (4, 3, 2, 1):
        assert messages in (expected, ["cells 2 to 4 were run out of order"])
    else:
        assert messages == expected


def test_a_cell_edited_after_it_was_run_is_named() -> None:
    edited = document("a = 1", "b = a + 2", "c = b + 1", "print(c)")
    found = judge(edited, ran(FOUR, 1, 2, 3, 4))
    assert [str(f) for f in found] == ["cell 2 was edited after it was run"]
    assert found[0].grave


def test_what_was_run_since_the_last_save_is_no_edit() -> None:
    seen = [*ran(FOUR, 1, 2, 3), Execution(digest("print(c, '!')"), 4, "id-4")]
    assert kinds(judge(FOUR, seen)) == [("edited", (4,))]
    assert judge(FOUR, seen, saved=3) == ()
    # a new cell that is not in the saved document yet
    seen = [*ran(FOUR, 1, 2, 3, 4), Execution(digest("new = 1"), 5, "id-new")]
    assert judge(FOUR, seen, saved=4) == ()
    assert kinds(judge(FOUR, seen)) == [("gone", ())]
    # but what was run before the save and edited then is found all the same
    seen = [Execution(digest("a = 0"), 1, "id-1"), *ran(FOUR, 1, 2, 3, 4)[1:]]
    assert kinds(judge(FOUR, seen, saved=1)) == [("edited", (1,))]


def test_edited_and_run_again_leaves_only_a_doubt() -> None:
    now = document("a = 1", "b = a + 2")
    seen = [*ran(FOUR, 1, 2), Execution(digest("b = a + 2"), 3, "id-2")]
    found = judge(now, seen)
    assert [str(f) for f in found] == ["1 execution was of code that the notebook no longer has"]
    assert not found[0].grave


def test_a_removed_cell_and_a_console_leave_a_doubt() -> None:
    seen = [*ran(FOUR, 1, 2, 3, 4), Execution(digest("a = 7"), 5, None)]
    assert kinds(judge(FOUR, seen)) == [("gone", ())]
    assert kinds(judge(FOUR[:1] + FOUR[2:], ran(FOUR, 1, 2, 3, 4))) == [("gone", ())]


def test_a_cell_that_was_cut_and_pasted_keeps_its_run() -> None:
    pasted = [FOUR[0], Cell(2, "new", FOUR[1].source, 2, True), *FOUR[2:]]
    assert judge(pasted, ran(FOUR, 1, 2, 3, 4)) == ()


def test_blank_ends_and_blank_cells_do_not_count() -> None:
    cells = [Cell(1, "x", "a = 1  \n\n"), Cell(2, "y", "\n"), Cell(3, "z", "b = 2")]
    assert (
        judge(cells, [Execution(digest("a = 1"), 1, "x"), Execution(digest("b = 2"), 2, "z")]) == ()
    )


def test_asking_for_the_seal_is_no_execution() -> None:
    cells = document("a = 1", "%seal", "b = 2")
    assert judge(cells, [*ran(cells, 1), *ran(cells, 3)], complete=True) == ()
    counted = document("a = 1", "%seal", "b = 2", counts=[1, 2, 3])
    assert judge(counted, complete=True) == ()
    assert honesty.leaves_no_trace("%seal\n\n%reload_kedro\n")
    assert not honesty.leaves_no_trace("%seal\nx = 1")


def test_results_of_an_earlier_kernel_are_told_from_own_ones() -> None:
    cells = document("a = 1", "b = 2", "c = 3", counts=[7, 8, None])
    assert [str(f) for f in judge(cells, ran(cells, 1))] == [
        "cell 2 shows a result that this kernel did not make"
    ]


def test_equal_cells_are_told_apart_by_their_order() -> None:
    cells = document("plt.show()", "x = 1", "plt.show()", ids=False)
    assert judge(cells, ran(cells, 1, 2, 3, ids=False)) == ()
    assert [f.kind for f in judge(cells, ran(cells, 2, 1, 3, ids=False))] == ["order"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 2, 3, 4], []),
        ([None] * 4, []),
        ([1, 2, None, None], []),
        ([1, 4, 2, 3], [("order", (2,))]),
        ([1, 2, 3, 7], [("counts", ())]),
        ([5, 6, 7, 8], [("counts", ())]),
        ([1, None, 2, 3], [("not run", (2,))]),
        ([1, 2, 2, 3], [("foreign", (2, 3))]),
    ],
)
def test_a_saved_file_alone_is_judged_by_its_counts(
    counts: list[int | None], expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    cells = document(*(cell.source for cell in FOUR), counts=counts)
    found = kinds(judge(cells))
    assert found == expected


def test_a_finished_run_must_have_run_to_its_end() -> None:
    cells = document(*(cell.source for cell in FOUR), counts=[1, 2, None, None])
    assert [str(f) for f in judge(cells, complete=True)] == ["cells 3 and 4 were not run"]


def notebook(sources: list[str], counts: list[int | None], seen: Any = None) -> dict[str, Any]:
    info = {"name": "python"} | ({} if seen is None else {"fin_kedro": {"executions": seen}})
    code = [
        {"cell_type": "code", "id": f"i{n}", "source": s, "execution_count": c, "outputs": []}
        for n, (s, c) in enumerate(zip(sources, counts, strict=True))
    ]
    title = {"cell_type": "markdown", "id": "t", "source": "# T"}
    return {"cells": [title, *code], "metadata": {"language_info": info}}


def test_a_file_with_the_kernel_s_record_shows_an_edit_that_counts_do_not() -> None:
    seen = [[digest("a = 1"), 1, None], [digest("b = 2"), 2, None]]
    sound = notebook(["a = 1", "b = 2"], [1, 2], seen)
    assert judge_notebook(sound) == ()
    assert judge_notebook(notebook(["a = 1", "b = 9"], [1, 2])) == ()
    found = judge_notebook(notebook(["a = 1", "b = 9"], [1, 2], seen))
    assert [str(f) for f in found] == ["cell 2 was edited after it was run"]
    pasted = notebook(["a = 1", "b = 2", "c = 3"], [1, 2, 2], seen)
    assert kinds(judge_notebook(pasted)) == [("foreign", (3,))]


@pytest.mark.parametrize("seen", [[], [[digest("a = 1"), 1, None]]])
def test_a_record_that_stops_short_of_the_run_is_of_no_use(seen: Any) -> None:
    assert judge_notebook(notebook(["a = 1", "b = 2"], [1, 2], seen)) == ()
    assert kinds(judge_notebook(notebook(["a = 1", "b = 2"], [2, 1], seen))) == [("order", (1,))]


def test_sources_as_lists_of_lines_are_the_same_cells() -> None:
    both = notebook(["a = 1\nb = 2"], [1]), notebook([["a = 1\n", "b = 2"]], [1])  # type: ignore[list-item]
    assert honesty.cells_of(both[0]) == honesty.cells_of(both[1])


SIZES = st.integers(1, 8)
ORDERS = SIZES.flatmap(lambda n: st.permutations(range(1, n + 1)))
RUNS = SIZES.flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(1, n), max_size=12)))


def made(size: int, ids: bool = True, counts: list[int | None] | None = None) -> list[Cell]:
    return document(*(f"v{n} = {n}" for n in range(1, size + 1)), ids=ids, counts=counts)


@given(ORDERS, st.booleans())
def test_order_is_found_exactly_when_it_is_not_the_document_s(order: list[int], ids: bool) -> None:
    cells = made(len(order), ids)
    found = judge(cells, ran(cells, *order, ids=ids), complete=True)
    assert bool(found) == (order != sorted(order))
    assert {f.kind for f in found} <= {"order"}
    counts = [order.index(n) + 1 for n in range(1, len(order) + 1)]
    assert kinds(judge(made(len(order), ids, counts), complete=True)) == kinds(found)


@given(ORDERS)
def test_as_few_cells_are_blamed_as_explain_the_order(order: list[int]) -> None:
    cells = made(len(order))
    blamed = [n for f in judge(cells, ran(cells, *order)) for n in f.cells]
    rest = [n for n in order if n not in blamed]
    assert rest == sorted(rest)
    fewest = next(
        k
        for k in range(len(order) + 1)
        for out in combinations(order, k)
        if (left := [n for n in order if n not in out]) == sorted(left)
    )
    assert len(blamed) == fewest


@given(RUNS, st.data())
def test_an_edit_after_the_last_run_is_always_found(
    run: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, order = run
    assume(order)
    cells, number = made(size), data.draw(st.sampled_from(order))
    seen = ran(cells, *order)
    edited = [Cell(c.number, c.id, c.source + " + 1") if c.number == number else c for c in cells]
    found = dict(kinds(judge(edited, seen)))
    assert found["edited"] == (number,)


@given(RUNS)
def test_any_history_is_judged_without_an_error_and_told_in_words(
    run: tuple[int, list[int]],
) -> None:
    size, order = run
    cells = made(size)
    found = judge(cells, ran(cells, *order), complete=True)
    whole = order == sorted(set(order)) and len(order) == size
    assert (not found) == whole
    assert [f.grave for f in found] == sorted((f.grave for f in found), reverse=True)
    for finding in found:
        assert all(str(n) in finding.message or "to" in finding.message for n in finding.cells)


@given(RUNS)
def test_clients_without_ids_get_the_same_verdict_on_distinct_cells(
    run: tuple[int, list[int]],
) -> None:
    size, order = run
    cells, bare = made(size), made(size, ids=False)
    assert judge(cells, ran(cells, *order)) == judge(bare, ran(bare, *order, ids=False))


@given(st.lists(st.integers(0, 20), max_size=9))
def test_the_longest_rise_is_one(moments: list[int]) -> None:
    rise = [moments[i] for i in honesty._longest_rise(moments)]
    assert rise == sorted(rise)
    longest = max(
        len(part)
        for k in range(len(moments) + 1)
        for part in combinations(moments, k)
        if list(part) == sorted(part)
    )
    assert len(rise) == longest
