"""A sample of a workflow's raw tables: where its shape comes from, and where its rows go."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.contracts.naming import named_object
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_structure, split_rows
from fin_kedro.drafting.delivery import Checked, load_once
from fin_kedro.drafting.entries import Declared, declared_tables
from fin_kedro.features.windows import EventFeatures
from fin_kedro.project.config import project_config
from fin_kedro.sampling.events import (
    Entities,
    EventShape,
    EventTables,
    draw_events,
    learn_events,
    stated_events,
)
from fin_kedro.sampling.shape import FEWEST, Marginal, Shape
from fin_kedro.sampling.stated import SPAN
from fin_kedro.sampling.tables import draw_rows, learn_table, stated_table
from fin_kedro.sampling.writing import has_data, raw_place, refuse_place, write_rows

BEFORE = 60  # days of history before the first part of a split
AFTER = 120  # days of rows that are kept out of time


@dataclass(frozen=True)
class Sample:
    """What was written: files with what their contracts say of them; what the shape comes from.

    ``shape`` is the file of the saved shape, or None.
    """

    files: tuple[tuple[Path, Checked], ...]
    source: str
    shape: Path | None


def write_sample(
    project: Path,
    env: str | None,
    workflow: str,
    *,
    rows: int,
    seed: int,
    out: Path | None = None,
    shape_file: Path | None = None,
) -> Sample:
    """Write rows like those of a workflow, none of which is one of them.

    Args:
        project: the project's folder.
        env: the environment of conf.
        workflow: whose raw tables; of events, the transactions and their labels.
        rows: how many (of events: transactions).
        seed: of all chance; the same gives the same bytes.
        out: the file; of events, a folder. None: where a run reads it, if nothing is there.
        shape_file: a shape that was saved before. None: it is learnt from the raw file, where
            there is one, and saved beside the sample; else the contract alone gives it.

    Raises:
        ContractError: no such workflow, a file is there already, or no rows keep the contract;
            nothing is written then.
    """
    if rows < 1:
        raise ContractError(f"--rows is {rows}; it must be 1 or more.")
    tables = declared_tables(project, env, None, workflow)
    contracts = [read_contract(t.entry["contract"]) for t in tables]
    places = _places(tables, out)
    for place in places:
        refuse_place(place)
    config = project_config(project, env)
    events = _event_tables(config, workflow, contracts)
    digests = {c.name: c.digest for c in contracts}
    if shape_file is not None:
        shape, source = _read(shape_file, digests, events is not None), str(shape_file)
    elif all(map(has_data, tables)):
        shape = _learn(tables, contracts, events)
        source = ", ".join(t.path for t in tables)
    else:
        span = _span(config["parameters"].get(workflow) or {})
        shape = stated_events(events, span) if events else stated_table(contracts[0], span)
        source = "the contract alone"
    frames = _draw(shape, contracts, events, rows, seed)
    saved = None
    if shape_file is None and source != "the contract alone":
        saved = places[0].with_suffix(".shape.json")
        if saved.exists():
            raise ContractError(f"{saved} is there already; name another file with --out.")
    done = _write_all(tables, contracts, frames, places)
    if saved is not None:
        content = {"contracts": digests, "shape": _to_dict(shape)}
        saved.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Sample(tuple(done), source, saved)


def _write_all(
    tables: Sequence[Declared],
    contracts: Sequence[Contract],
    frames: Sequence[pd.DataFrame],
    places: Sequence[Path],
) -> list[tuple[Path, Checked]]:
    """Write every table, or none."""
    done: list[tuple[Path, Checked]] = []
    try:
        for table, contract, frame, place in zip(tables, contracts, frames, places, strict=True):
            done.append((place, write_rows(table, contract, frame, place)))
    except BaseException:
        for place, _ in done:
            place.unlink(missing_ok=True)
        raise
    return done


def _places(tables: Sequence[Declared], out: Path | None) -> list[Path]:
    if out is None:
        if full := [t.path for t in tables if has_data(t)]:
            raise ContractError(
                f"{full[0]} is there already, and nothing is overwritten; name a place with --out."
            )
        return [raw_place(t) for t in tables]
    if len(tables) == 1:
        return [out]
    if out.suffix:
        raise ContractError(
            f"--out is {out}; this workflow has {len(tables)} tables, so name a folder, such as "
            f"{out.with_suffix('')}."
        )
    return [out / Path(t.entry["filepath"]).name for t in tables]


def _event_tables(config: Any, workflow: str, contracts: Sequence[Contract]) -> EventTables | None:
    """The names of events, which their statistics give; None where rows stand for themselves."""
    declared = next(w for w in config.workflows if w.name == workflow)
    if len(contracts) == 1:
        return None
    names = named_object(
        declared.statistics, EventFeatures, setting=f"{workflow}.statistics",
        example="fin_kedro.features.fraud_statistics:fraud_statistics",
    )  # fmt: skip
    transactions = next(c for c in contracts if names.event in c.columns)
    labels = next(c for c in contracts if names.label in c.columns)
    return EventTables(names, transactions, labels)


def _span(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """First and last day of rows that the workflow's split can part."""
    split = parameters.get("split") or {}
    parts = [part for part in (split.get("parts") or {}).values() if isinstance(part, Mapping)]
    days = sorted(str(part[end]) for part in parts for end in ("from", "to") if end in part)
    if days:
        return _moved(days[0], -BEFORE), days[-1]
    if split.get("out_of_time_from"):
        return _moved(str(split["out_of_time_from"]), -4 * AFTER), _moved(
            str(split["out_of_time_from"]), AFTER
        )
    return SPAN


def _moved(day: str, by: int) -> str:
    return (dt.date.fromisoformat(day[:10]) + dt.timedelta(days=by)).isoformat()


def _learn(
    tables: Sequence[Declared], contracts: Sequence[Contract], events: EventTables | None
) -> Shape | EventShape:
    frames = {}
    for table, contract in zip(tables, contracts, strict=True):
        delivered = load_once(table.dataset())
        check_structure(contract, delivered)
        frames[contract.name] = split_rows(contract, delivered)[0].execute()
        if len(frames[contract.name]) < FEWEST:
            raise ContractError(
                f"{table.path} has {len(frames[contract.name])} rows that keep their contract; a "
                f"shape needs {FEWEST}. Move the file away to sample from the contract alone."
            )
    if events is None:
        return learn_table(contracts[0], frames[contracts[0].name])
    return learn_events(events, frames[events.transactions.name], frames[events.labels.name])


def _draw(
    shape: Any, contracts: Sequence[Contract], events: EventTables | None, rows: int, seed: int
) -> list[pd.DataFrame]:
    if events is None:
        return [draw_rows(contracts[0], shape, rows, seed)]
    transactions, labels = draw_events(events, shape, rows, seed)
    if labels.empty:
        raise ContractError(f"{rows} events have no label among them; ask for more --rows.")
    of = {events.transactions.name: transactions, events.labels.name: labels}
    return [of[c.name] for c in contracts]


def _to_dict(shape: Shape | EventShape) -> dict[str, Any]:
    if isinstance(shape, Shape):
        return shape.to_dict()
    entities = {name: asdict(found) for name, found in shape.entities.items()}
    return {"wide": shape.wide.to_dict(), "entities": entities, "again": asdict(shape.again)}


def _read(path: Path, digests: Mapping[str, str], events: bool) -> Shape | EventShape:
    """A saved shape, which must be of these contracts."""
    try:
        content = json.loads(path.read_text("utf-8"))
        learnt_of, given = content["contracts"], content["shape"]
        if learnt_of != digests:
            raise ContractError(
                f"{path} is the shape of another contract ({', '.join(learnt_of)}, as it was "
                "then); learn it anew where the data are: leave --shape away."
            )
        if not events:
            return Shape.from_dict(given)
        entities = {
            name: Entities(**{**found, "events": Marginal.from_dict(found["events"])})
            for name, found in given["entities"].items()
        }
        again = Marginal.from_dict(given["again"])
        return EventShape(wide=Shape.from_dict(given["wide"]), entities=entities, again=again)
    except FileNotFoundError:
        raise ContractError(f"no shape at {path}; leave --shape away to learn one.") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ContractError(f"{path} is no saved shape ({error}).") from None
