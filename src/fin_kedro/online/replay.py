"""History through a store as if it came live, compared with what was computed offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from fin_kedro.online.store import Event, FeatureStore

FIRST = 10  # differences that are shown


def replay(
    store: FeatureStore,
    transactions: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    batch: int = 500,
) -> pd.DataFrame:
    """Score transactions and learn labels in the order they became known, `batch` in one commit.

    Returns one row a transaction, in that order: its id and the store's features (Int64, missing
    where there is none). At one moment transactions come by id, and before labels; none of them
    sees another of the same moment, so that order decides nothing.
    """
    features = store.features
    answers: list[Any] = []
    for events in _batches(_merged(store, transactions, labels), batch):
        replies = store.apply(events, {})
        answers += [
            [row[features.id], *reply.values()]
            for (kind, row), reply in zip(events, replies, strict=True)
            if kind == "transaction"
        ]
    columns = list(zip(*answers, strict=True)) or [()] * (1 + len(features.names))
    table = {
        name: pd.array(values, dtype="Int64")
        for name, values in zip(features.names, columns[1:], strict=True)
    }
    return pd.DataFrame({features.id: list(columns[0])} | table)


def _merged(
    store: FeatureStore, transactions: pd.DataFrame, labels: pd.DataFrame
) -> Iterator[Event]:
    """Return all events by the moment known."""
    features = store.features
    events = _rows("transaction", transactions, [features.known, features.id])
    reports = _rows("label", labels, [features.known, features.label_id])
    label = next(reports, None)
    for event in events:
        while label is not None and label[1][features.known] < event[1][features.known]:
            yield label
            label = next(reports, None)
        yield event
    if label is not None:
        yield label
        yield from reports


def _rows(kind: str, table: pd.DataFrame, by: list[str]) -> Iterator[Event]:
    table = table.sort_values(by, kind="stable")
    names = [str(name) for name in table.columns]
    for row in zip(*(table[name].tolist() for name in table.columns), strict=True):
        yield kind, dict(zip(names, row, strict=True))


def _batches(events: Iterator[Event], size: int) -> Iterator[list[Event]]:
    held: list[Event] = []
    for event in events:
        held.append(event)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def compare(
    offline: pd.DataFrame, online: pd.DataFrame, names: Sequence[str], *, on: str = "transaction_id"
) -> dict[str, Any]:
    """Compare the columns `names` of two tables, row by row by id; integers, or missing.

    Returns ``rows`` (how many ids stand in both or either), ``differences`` (cells that are not
    equal, and one for each id that stands in one table only), ``by_column`` (cells that differ, all
    names), ``first``: up to ten, each with id, column, offline, online. Raises ValueError on a
    missing column or an id that occurs twice.
    """
    left, right = _by_id(offline, names, on, "offline"), _by_id(online, names, on, "online")
    both = left.index.intersection(right.index)
    lonely = left.index.symmetric_difference(right.index)
    first = [{on: _plain(at), "column": None, **_where(at, left)} for at in lonely[:FIRST]]
    left, right = left.loc[both], right.loc[both]
    by_column = {}
    for name in names:
        ours, theirs = left[name].astype("Int64"), right[name].astype("Int64")
        unequal = (ours.isna() != theirs.isna()) | (ours != theirs).fillna(False)
        by_column[name] = int(unequal.sum())
        first += [
            {
                **{on: _plain(at), "column": name},
                **{"offline": _plain(ours[at]), "online": _plain(theirs[at])},
            }
            for at in both[unequal.to_numpy(dtype=bool)][: max(0, FIRST - len(first))]
        ]
    return {
        "rows": len(both) + len(lonely),
        "differences": len(lonely) + sum(by_column.values()),
        "by_column": by_column,
        "first": first,
    }


def _by_id(table: pd.DataFrame, names: Sequence[str], on: str, which: str) -> pd.DataFrame:
    missing = [name for name in (on, *names) if name not in table.columns]
    if missing:
        raise ValueError(f"the {which} table lacks {missing}; it has {list(table.columns)}.")
    indexed = table.set_index(on)
    if not indexed.index.is_unique:
        twice = _plain(indexed.index[indexed.index.duplicated()][0])
        raise ValueError(f"{on} {twice!r} stands twice in the {which} table; quarantine one.")
    return indexed[list(names)]


def _where(name: Any, left: pd.DataFrame) -> dict[str, str]:
    here, missing = "a row", "no row"
    inside = name in left.index
    return {"offline": here if inside else missing, "online": missing if inside else here}


def _plain(value: Any) -> Any:
    """A cell or an id as plain Python, fit for JSON."""
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value
