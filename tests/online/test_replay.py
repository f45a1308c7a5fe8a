"""History through a store: equal to what the definition says, and differences are found."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fin_kedro.online import open_store
from fin_kedro.online.replay import compare, replay
from tests.features.event_streams import FEATURES, expected, nearly_ordered

NAMES = FEATURES.names


def history(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    events = nearly_ordered(seed, lateness=0, length=120)
    rows = pd.DataFrame([told for kind, told in events if kind == "transaction"])
    labels = pd.DataFrame([told for kind, told in events if kind == "label"])
    return rows.sample(frac=1, random_state=seed), labels.sample(frac=1, random_state=seed)


def slow_table(rows: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    told, known = rows.to_dict("records"), labels.to_dict("records")
    answers = [expected(FEATURES, row, told, known) for row in told]
    table = pd.DataFrame(answers).astype("Int64")
    return table.assign(transaction_id=rows["transaction_id"].to_numpy())


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_replay_gives_the_defined_table(batch: int) -> None:
    rows, labels = history(batch)
    with open_store("memory:", FEATURES, lateness_us=0) as store:
        online = replay(store, rows, labels, batch=batch)
    assert list(online.columns) == ["transaction_id", *NAMES]
    found = compare(slow_table(rows, labels), online, NAMES)
    assert found["rows"] == len(rows)
    assert found["differences"] == 0 and found["first"] == []
    assert found["by_column"] == dict.fromkeys(NAMES, 0)


def test_a_replay_of_nothing_is_an_empty_table() -> None:
    rows, labels = history(1)
    with open_store("memory:", FEATURES) as store:
        assert replay(store, rows.iloc[:0], labels).shape == (0, 1 + len(NAMES))
        assert store.statistics()["labels"] == len(labels)


def small(**change: Any) -> pd.DataFrame:
    columns = {"transaction_id": [1, 2, 3], "count": [5, 6, 7], "since": [4, None, None]}
    return pd.DataFrame(columns | change)


@pytest.mark.parametrize(
    ("online", "differences", "by_column", "first"),
    [
        (small(), 0, {"count": 0, "since": 0}, []),
        (
            small(count=[5, 7, 7]),
            1,
            {"count": 1, "since": 0},
            [{"transaction_id": 2, "column": "count", "offline": 6, "online": 7}],
        ),
        (
            small(since=[None, 0, None]),
            2,
            {"count": 0, "since": 2},
            [
                {"transaction_id": 1, "column": "since", "offline": 4, "online": None},
                {"transaction_id": 2, "column": "since", "offline": None, "online": 0},
            ],
        ),
        (
            small(transaction_id=[1, 2, 4]),
            2,
            {"count": 0, "since": 0},
            [
                {"transaction_id": 3, "column": None, "offline": "a row", "online": "no row"},
                {"transaction_id": 4, "column": None, "offline": "no row", "online": "a row"},
            ],
        ),
    ],
)
def test_each_difference_is_found_and_named(
    online: pd.DataFrame, differences: int, by_column: dict[str, int], first: list[Any]
) -> None:
    found = compare(small(), online.sample(frac=1, random_state=1), ["count", "since"])
    assert found["differences"] == differences
    assert found["by_column"] == by_column
    assert found["first"] == first


def test_at_most_ten_differences_are_listed_and_all_counted() -> None:
    many = pd.DataFrame({"transaction_id": range(50), "count": 1, "since": 2})
    found = compare(many, many.assign(count=2, since=3), ["count", "since"])
    assert found["differences"] == 100 and len(found["first"]) == 10


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the online table lacks \['since'\]"):
        compare(small(), small().drop(columns="since"), ["count", "since"])
    with pytest.raises(ValueError, match="transaction_id 1 stands twice in the offline table"):
        compare(pd.concat([small(), small()]), small(), ["count"])
