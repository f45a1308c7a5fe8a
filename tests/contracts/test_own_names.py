"""Columns of our own beside a contract's: whatever a bank calls its columns, none is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.contracts.own_names import (
    GRAPH_OUTPUTS,
    MODEL_TABLE,
    RESERVED,
    feature_column,
    graph_column,
    graph_input,
    own_name,
)

NAMES = st.text(min_size=1) | st.sampled_from(
    ["REASON", "target", "Part", "entity_id", "feature__target", "keep__x", "feature__feature__x",
     "protected__a", "probability", "/0", "/c0", "/column/probability", "/column//0", "ordinary"]
)  # fmt: skip


def test_a_name_stays_where_nothing_else_has_it() -> None:
    assert own_name("reason", ["a", "b"]) == "reason"
    assert feature_column("income") == graph_input("income") == "income"


def test_ours_gives_way_whatever_the_case() -> None:
    assert own_name("reason", ["REASON"]) == f"{RESERVED}reason"


@given(st.lists(NAMES, unique=True))
def test_features_are_apart_from_each_other_and_from_the_tables_own(names: list[str]) -> None:
    columns = [feature_column(name) for name in names]
    assert len(set(columns)) == len(names)
    assert not {column.casefold() for column in columns} & set(MODEL_TABLE)
    assert not any(c.casefold().startswith(("protected__", "keep__")) for c in columns)


@given(st.lists(NAMES, unique=True))
def test_inputs_of_a_graph_are_apart_from_its_other_tensors(names: list[str]) -> None:
    inputs = [graph_input(name) for name in names]
    assert len(set(inputs)) == len(names)
    assert not set(inputs) & {*GRAPH_OUTPUTS, "/0", "/c0"}
    assert [graph_column(name) for name in inputs] == names
