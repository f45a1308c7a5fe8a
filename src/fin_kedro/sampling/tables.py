"""A drawn table under its contract: learnt columns, new ones, and no row that is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from fin_kedro.contracts.column import Column
from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.contracts.tables import rules_of, split_rows
from fin_kedro.sampling.columns import (
    as_statistics_take_it,
    as_written,
    is_learnt,
    learn_columns,
)
from fin_kedro.sampling.fresh import fresh_ids, is_like_an_id
from fin_kedro.sampling.shape import Shape, draw_table
from fin_kedro.sampling.stated import SPAN, stated_shape, with_stated

ROUNDS = 25  # of drawing rows anew for those that the contract refuses
_TYPES = {"integer": "int64", "number": "float64"}
Draw = Callable[[int, int], pd.DataFrame]  # (rows, rows made before) -> rows


def learnt_columns(contract: Contract) -> list[Column]:
    """Columns whose values go into a shape."""
    return [c for c in contract.columns.values() if is_learnt(c)]


def learn_table(contract: Contract, frame: pd.DataFrame) -> Shape:
    """The shape of rows that keep a contract."""
    outcome = None
    if contract.has_target:
        said = as_statistics_take_it(contract.target, frame[contract.target.name])
        outcome = (said == contract.event).astype(float).where(said.notna())
    columns = learnt_columns(contract)
    return with_stated(learn_columns(columns, frame, outcome), columns)


def stated_table(contract: Contract, span: tuple[str, str] = SPAN) -> Shape:
    """The shape that a contract alone allows."""
    target = contract.target.name if contract.has_target else None
    return stated_shape(learnt_columns(contract), target, contract.event, span)


def draw_rows(contract: Contract, shape: Shape, rows: int, seed: int) -> pd.DataFrame:
    """Rows of a shape that keep a contract.

    Args:
        contract: the contract.
        shape: of its learnt columns.
        rows: how many.
        seed: of all chance; the same gives the same rows.

    Raises:
        ContractError: no such rows were found; names the rule that refuses them.
    """
    rng = np.random.default_rng(seed)

    def draw(count: int, before: int) -> pd.DataFrame:
        drawn = draw_table(shape, count, rng)
        return written(contract, drawn, rng, before)

    return accepted_rows(contract, draw, rows)


def written(
    contract: Contract, drawn: pd.DataFrame, rng: np.random.Generator, before: int
) -> pd.DataFrame:
    """Every column of the contract: drawn ones in their types, the others made anew."""
    found = {}
    for column in contract.columns.values():
        if column.name in drawn:
            found[column.name] = as_written(column, drawn[column.name])
        else:
            found[column.name] = fresh_column(column, len(drawn), rng, before)
    return pd.DataFrame(found, index=drawn.index)


def fresh_column(column: Column, rows: int, rng: np.random.Generator, before: int) -> pd.Series:
    """A column that comes from its contract alone."""
    if is_like_an_id(column):
        return pd.Series(fresh_ids(column, rows, rng, before), dtype=object)
    alone = stated_shape([column], None, None)
    return as_written(column, draw_table(alone, rows, rng)[column.name])


def as_table(contract: Contract, frame: pd.DataFrame) -> ir.Table:
    """Rows as the engine takes them, in the contract's types."""
    types = {c.name: _TYPES.get(c.type, c.type) for c in contract.columns.values()}
    days = [c.name for c in contract.columns.values() if c.type == "date"]
    typed = frame.assign(**{name: frame[name].dt.date for name in days})
    return ibis.memtable(typed, schema=ibis.schema(types))


def accepted_rows(contract: Contract, draw: Draw, rows: int) -> pd.DataFrame:
    """Draw until there are enough rows that the contract takes."""
    key = contract.id.name
    kept: list[pd.DataFrame] = []
    made, have, frame = 0, 0, pd.DataFrame()
    for _ in range(ROUNDS):
        # every round as many as would be enough, if as many were refused as so far
        share = max(have / made, 0.02) if made else 1.0
        count = min(math.ceil((rows - have) / share), 20 * rows)
        frame = draw(count, made)
        if contract.id.made_from:  # told apart by several columns together
            frame = frame.drop_duplicates(list(contract.id.made_from), ignore_index=True)
        made += count
        taken = split_rows(contract, as_table(contract, frame))[0].select(key).execute()[key]
        good = frame[frame[key].isin(set(taken)) & _is_new(contract, frame, kept)]
        good = good.head(rows - have)
        kept.append(good)
        have += len(good)
        if have >= rows:
            return pd.concat(kept, ignore_index=True)
    raise ContractError(_refused(contract, frame, rows, have))


def _is_new(contract: Contract, frame: pd.DataFrame, kept: list[pd.DataFrame]) -> pd.Series:
    """Whether no value that must stand alone was kept in an earlier round."""
    new = pd.Series(True, index=frame.index)
    for column in filter(is_like_an_id, contract.columns.values()):
        for earlier in kept:
            new &= ~frame[column.name].isin(set(earlier[column.name]))
    return new


def _refused(contract: Contract, frame: pd.DataFrame, rows: int, have: int) -> str:
    """Which rules refuse the rows that were drawn."""
    table = as_table(contract, frame)
    rules = [(rule, rule.broken.fill_null(False).sum()) for rule in rules_of(contract, table)]
    found = table.aggregate(**{f"n{i}": n for i, (_, n) in enumerate(rules)}).execute().iloc[0]
    worst: Any = max(range(len(rules)), key=lambda i: int(found[f"n{i}"]))
    rule = rules[worst][0]
    return (
        f"only {have} of {rows} rows were found that keep the contract {contract.name}; most are "
        f"refused by {rule.column}: {rule.told} ({contract.where(rule.column)}). Widen the "
        "rule, or list values under enum."
    )
