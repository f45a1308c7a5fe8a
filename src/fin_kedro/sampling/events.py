"""Events and their labels: what one event is like, who has several, and when it becomes known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fin_kedro.contracts.column import Column
from fin_kedro.contracts.model import Contract
from fin_kedro.features.windows import DAY, EventFeatures
from fin_kedro.sampling.columns import as_written, is_learnt, learn_columns
from fin_kedro.sampling.fresh import fresh_ids
from fin_kedro.sampling.shape import (
    FEWEST,
    Marginal,
    Shape,
    draw_marginal,
    draw_table,
    learn_marginal,
)
from fin_kedro.sampling.stated import stated_shape, with_stated
from fin_kedro.sampling.tables import accepted_rows, fresh_column

# Columns of the wide table beside those of the transaction itself
ON, AT = "fin_kedro__day", "fin_kedro__time_of_day"
LATE, REPORTS, DELAY = "fin_kedro__late", "fin_kedro__reports", "fin_kedro__delay"
MADE = (ON, AT, LATE, REPORTS, DELAY)
BAD = 0.03  # share of frauds where no source tells
EVENTS = 30  # of an entity where no source tells


@dataclass(frozen=True, kw_only=True)
class Entities:
    """Who has the events: ``share`` entities an event, events of each, bad entities a bad event."""

    share: float
    events: Marginal
    bad: float


@dataclass(frozen=True, kw_only=True)
class EventShape:
    """Shape of events with what was reported about them; ``again`` is the time between reports."""

    wide: Shape
    entities: Mapping[str, Entities]
    again: Marginal


@dataclass(frozen=True)
class EventTables:
    """The two contracts and the names that statistics give to their columns."""

    names: EventFeatures
    transactions: Contract
    labels: Contract

    @property
    def entities(self) -> list[str]:
        """Columns that say whose an event is."""
        return list(dict.fromkeys(name for key in self.names.keys for name in key))

    @property
    def wide(self) -> list[Column]:
        """Columns of an event with its reports, as a shape learns them."""
        placed = {self.names.id, self.names.event, self.names.known, *self.entities}
        own = [
            c for c in self.transactions.columns.values() if c.name not in placed and is_learnt(c)
        ]
        kinds: dict[str, dict[str, Any]] = {
            ON: {"type": "integer"}, AT: {"type": "integer", "minimum": 0, "maximum": DAY - 1},
            LATE: {"type": "integer", "minimum": 0}, REPORTS: {"type": "string", "required": False},
            DELAY: {"type": "integer", "minimum": 0, "required": False},
        }  # fmt: skip
        return [*(Column(name=n, role="feature", **k) for n, k in kinds.items()), *own]


def learn_events(
    tables: EventTables, transactions: pd.DataFrame, labels: pd.DataFrame
) -> EventShape:
    """The shape of events and labels that keep their contracts; labels of no event are left out."""
    names = tables.names
    event = transactions[names.event].astype("int64")
    ordered = labels.sort_values([names.known, names.label_id], kind="stable")
    told = ordered.groupby(names.id)
    reports = told[names.label].agg(lambda values: ",".join(str(int(v)) for v in values))
    of_event = transactions[names.id].map(reports)
    first = transactions[names.id].map(told[names.known].first())
    wide = pd.DataFrame({
        ON: event // DAY, AT: event % DAY, LATE: transactions[names.known] - event,
        REPORTS: of_event, DELAY: first - event,
        **{c.name: transactions[c.name] for c in tables.wide if c.name not in MADE},
    })  # fmt: skip
    bad = of_event.fillna("").str.endswith("1")
    again = ordered[names.known] - told[names.known].shift()
    learnt = learn_columns(tables.wide, wide, bad.astype(float))
    return EventShape(
        wide=with_stated(without_gap(learnt, DELAY), tables.wide),
        entities={name: _entities(transactions[name], bad) for name in tables.entities},
        again=learn_marginal(again.dropna(), nominal=False),
    )


def without_gap(shape: Shape, name: str) -> Shape:
    """A shape in which every drawn row has a value of a column; others tell whether it is used."""
    names = [*shape.columns, *("gap of " + gap for gap in shape.gaps)]
    kept = [place for place, of in enumerate(names) if of != f"gap of {name}"]
    return Shape(
        rows=shape.rows,
        columns=shape.columns,
        gaps={gap: marginal for gap, marginal in shape.gaps.items() if gap != name},
        correlation=tuple(tuple(shape.correlation[i][j] for j in kept) for i in kept),
    )


def _entities(values: pd.Series, bad: pd.Series) -> Entities:
    counts = values.value_counts()
    frauds = int(bad.sum())
    share = values[bad].nunique() / frauds if frauds >= FEWEST else 1.0
    events = learn_marginal(counts.astype(float), nominal=False)
    return Entities(share=len(counts) / max(len(values), 1), events=events, bad=share)


def stated_events(tables: EventTables, span: tuple[str, str]) -> EventShape:
    """Events that the contracts alone allow, on the days of a span."""
    shape = without_gap(stated_shape(tables.wide, None, None, span), DELAY)
    first, last = (pd.Timestamp(day).value // 1000 // DAY for day in span)
    stretch = {
        ON: (first, last), DELAY: (DAY, 5 * DAY), AT: (0, DAY - 1),
    }  # fmt: skip
    told = {
        name: Marginal(knots=((0.0, float(a)), (1.0, float(b))), decimals=0)
        for name, (a, b) in stretch.items()
    }
    told[LATE] = Marginal(atoms=((0.0, 1.0),))
    told[REPORTS] = Marginal(atoms=((None, 1 - BAD), ("1", BAD)))
    order = [*shape.columns, *shape.gaps]
    matrix = np.eye(len(order))
    own = [c for c in tables.wide if c.name not in MADE and c.role == "feature"]
    for column in own:
        i, j = order.index(REPORTS), order.index(column.name)
        matrix[i, j] = matrix[j, i] = (column.sign or 1) * (0.5 / len(own)) ** 0.5
    wide = Shape(
        rows=0,
        columns={name: told.get(name, marginal) for name, marginal in shape.columns.items()},
        gaps=shape.gaps,
        correlation=tuple(tuple(float(c) for c in row) for row in matrix),
    )
    even = Marginal(knots=((0.0, 1.0), (1.0, 2.0 * EVENTS)), decimals=0)
    entities = {n: Entities(share=1 / EVENTS, events=even, bad=0.5) for n in tables.entities}
    return EventShape(wide=wide, entities=entities, again=told[DELAY])


def draw_events(
    tables: EventTables, shape: EventShape, rows: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Transactions [rows] and labels of a shape, both as their contracts have them."""
    rng = np.random.default_rng(seed)
    names = tables.names
    reports: list[pd.DataFrame] = []

    def draw(count: int, before: int) -> pd.DataFrame:
        wide = draw_table(shape.wide, count, rng)
        wide = pd.DataFrame({c.name: as_written(c, wide[c.name]) for c in tables.wide})
        made = _transactions(tables, shape, wide, rng, before)
        told = wide[[REPORTS, DELAY]].assign(happened=made[names.event], of=made[names.id])
        reports.append(told.dropna(subset=[REPORTS]))
        return made

    transactions = accepted_rows(tables.transactions, draw, rows)
    transactions = transactions.sort_values([names.known, names.id], ignore_index=True)
    told = pd.concat(reports, ignore_index=True)
    told = told[told["of"].isin(set(transactions[names.id]))].reset_index(drop=True)
    return transactions, _labels(tables, shape, told, rng)


def _transactions(
    tables: EventTables, shape: EventShape, wide: pd.DataFrame, rng: Any, before: int
) -> pd.DataFrame:
    names, rows = tables.names, len(wide)
    event = wide[ON].astype("int64") * DAY + wide[AT].astype("int64")
    bad = wide[REPORTS].fillna("").str.endswith("1").to_numpy(bool)
    placed = {names.event: event, names.known: event + wide[LATE].astype("int64")}
    found = {}
    for column in tables.transactions.columns.values():
        if column.name in placed:
            found[column.name] = placed[column.name].astype("Int64")
        elif column.name in shape.entities:
            found[column.name] = _whose(column, shape.entities[column.name], bad, rng)
        elif column.name in wide:
            found[column.name] = wide[column.name]
        else:
            found[column.name] = fresh_column(column, rows, rng, before)
    return pd.DataFrame(found)


def _whose(column: Column, learnt: Entities, bad: np.ndarray, rng: Any) -> pd.Series:
    """Who has each event: many events of few, as it was; bad ones lie closer together."""
    count = max(1, round(learnt.share * len(bad)))
    few = learnt.events.atoms or learnt.events.knots
    even = np.ones(count)
    drawn = draw_marginal(learnt.events, rng.random(count)).astype(float) if few else even
    weight = np.maximum(drawn, 0.5)
    whose = rng.choice(count, len(bad), p=weight / weight.sum())
    hit = rng.choice(count, min(count, max(1, round(learnt.bad * bad.sum()))), replace=False)
    whose[bad] = rng.choice(hit, int(bad.sum()))
    return pd.Series(fresh_ids(column, count, rng)).iloc[whose].reset_index(drop=True)


def _labels(tables: EventTables, shape: EventShape, told: pd.DataFrame, rng: Any) -> pd.DataFrame:
    """One row for each report, in the order in which they became known."""
    names, contract = tables.names, tables.labels
    lists = told[REPORTS].str.split(",")
    each = told.assign(said=lists).explode("said", ignore_index=True)
    place = each.groupby("of").cumcount().to_numpy()
    some = shape.again.atoms or shape.again.knots
    gaps = draw_marginal(shape.again, rng.random(len(each))) if some else np.full(len(each), DAY)
    waited = pd.Series(np.where(place == 0, 0, np.maximum(gaps.astype(float), 1)))
    known = each["happened"].astype("int64") + each[DELAY].fillna(DAY).astype("int64")
    known = known + waited.round().astype("int64").groupby(each["of"].to_numpy()).cumsum()
    order = np.lexsort((place, known.to_numpy()))
    said = {names.id: each["of"], names.label: each["said"].astype("Int64"), names.known: known}
    found = {}
    for column in contract.columns.values():
        if column.name == names.label_id:
            found[column.name] = pd.Series(range(1, len(each) + 1), dtype="Int64")
        elif column.name in said:
            found[column.name] = said[column.name].iloc[order].reset_index(drop=True)
        else:
            found[column.name] = fresh_column(column, len(each), rng, 0)
    return pd.DataFrame(found)
