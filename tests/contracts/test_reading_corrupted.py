"""Any small contract and table, with one thing made wrong: refused at its place, or computed right.

The right answer is worked out from what was drawn, in plain Python.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fin_kedro.contracts import Contract, ContractError, request_model
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import clean, split_rows
from tests.contracts.samples import document, line_of, prop, write

ARROW = {
    "integer": pa.int64(), "number": pa.float64(), "string": pa.string(), "boolean": pa.bool_(),
}  # fmt: skip
ROWS = 5


@dataclass
class Drawn:
    """A column: how it is stated, raw values it allows with what they are read as, and others."""

    stated: dict[str, Any]
    read_as: dict[Any, Any]
    wrong: list[Any]
    corruptions: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)


def integers(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    low = draw(st.integers(-50, 50))
    high = low + draw(st.integers(2, 9))
    open_ = draw(st.booleans())
    options = {"exclusiveMinimum" if open_ else "minimum": low, "maximum": high}
    stated = prop(name, "integer", options=options, custom={"missingCodes": [-99]})
    allowed = {v: v for v in range(low + open_, high + 1)} | {-99: None}
    wrong = [low - 1, high + 1, *([low] if open_ else [])]
    quoted = copy.deepcopy(stated)
    quoted["logicalTypeOptions"]["maximum"] = f"{high}"
    other = copy.deepcopy(stated)
    other["customProperties"][1]["value"] = ["q9q"]
    return Drawn(
        stated, allowed, wrong, [("refused", quoted, "maximum:"), ("refused", other, "q9q")]
    )


def codes(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    listed = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True))
    old = draw(st.integers(20, 29))
    stated = prop(name, "integer", enum=listed, custom={"recode": {old: listed[0]}})
    as_text = copy.deepcopy(stated)
    as_text["enum"][-1]["value"] = str(listed[-1])
    astray = copy.deepcopy(stated)
    astray["customProperties"][1]["value"] = {old: 77}
    allowed = {v: v for v in listed} | {old: listed[0]}
    return Drawn(
        stated, allowed, [-1, 10, 30], [("right", as_text, ""), ("refused", astray, "- name")]
    )


def numbers(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    step = draw(st.sampled_from([0.25, 0.1, 3]))
    stated = prop(name, "number", options={"multipleOf": step, "exclusiveMaximum": 100 * step})
    allowed = {float(n * step): float(n * step) for n in range(-5, 6)}
    none = copy.deepcopy(stated)
    none["logicalTypeOptions"]["multipleOf"] = 0
    return Drawn(stated, allowed, [step / 2, 100.0 * step], [("refused", none, "multipleOf: 0")])


def texts(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    longest = draw(st.integers(2, 4))
    stated = prop(
        name, "string", options={"pattern": "^[a-z]+$", "maxLength": longest},
        custom={"missingCodes": ["N/A"]},
    )  # fmt: skip
    allowed = {"a" * n: "a" * n for n in range(1, longest + 1)} | {"N/A": None}
    wrong = ["a" * (longest + 1), "A", "a1", *([""] if required else [])]
    signed = copy.deepcopy(stated)
    signed["customProperties"].append({"property": "expectedSign", "value": "negative"})
    return Drawn(stated, allowed, wrong, [("refused", signed, "value: negative")])


def words(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    stated = prop(name, "string", enum=["SE", "FI"], custom={"recode": {"FIN": "FI"}})
    truth = copy.deepcopy(stated)
    truth["enum"].append({"value": False})  # what YAML makes of NO
    return Drawn(
        stated,
        {"SE": "SE", "FI": "FI", "FIN": "FI"},
        ["NO", "se"],
        [("refused", truth, "value: false")],
    )


def truths(draw: st.DrawFn, name: str, required: bool) -> Drawn:
    limited = {**prop(name, "boolean"), "logicalTypeOptions": {"minimum": 0}}
    return Drawn(
        prop(name, "boolean"), {True: True, False: False}, [], [("refused", limited, "minimum: 0")]
    )


KINDS = [integers, codes, numbers, texts, words, truths]


@st.composite
def drawn_column(draw: st.DrawFn, name: str) -> Drawn:
    required = draw(st.booleans())
    made = draw(st.sampled_from(KINDS))(draw, name, required)
    for stated in (made.stated, *(c[1] for c in made.corruptions)):
        stated["required"] = required
    if required:
        made.wrong.append(None)
    else:
        made.read_as[None] = None
    for key in (k for k in made.stated if k != "name"):
        misspelt = {(f"{k}q" if k == key else k): v for k, v in made.stated.items()}
        made.corruptions.append(("refused", misspelt, f"{key}q:"))
    custom = copy.deepcopy(made.stated)
    custom["customProperties"][-1]["property"] += "q"
    made.corruptions.append(("refused", custom, custom["customProperties"][-1]["property"]))
    return made


@st.composite
def drawn_case(draw: st.DrawFn) -> Any:
    """Columns, rows of allowed raw values, and the one thing that is made wrong."""
    columns = {f"c{n}": draw(drawn_column(f"c{n}")) for n in range(draw(st.integers(1, 3)))}
    rows = {
        name: [draw(st.sampled_from(list(c.read_as))) for _ in range(ROWS)]
        for name, c in columns.items()
    }
    name = draw(st.sampled_from(list(columns)))
    cells = [("cell", value, draw(st.integers(0, ROWS - 1))) for value in columns[name].wrong]
    made_wrong = draw(
        st.sampled_from([columns[name].corruptions, cells or columns[name].corruptions])
    )
    return columns, rows, name, draw(st.sampled_from(made_wrong))


def judged(contract: Contract, rows: dict[str, list[Any]]) -> tuple[dict[str, str], list[Any]]:
    """Reasons of the broken rows by id, and the rows that are accepted, as they are read."""
    types = [(n, ARROW[contract.columns[n].type]) for n in rows]
    data = {"id": [f"r{n}" for n in range(ROWS)], **rows, "bad": [0] * ROWS}
    schema = pa.schema([("id", pa.string()), *types, ("bad", pa.int64())])
    accepted, broken = split_rows(contract, ibis.memtable(pa.table(data, schema=schema)))
    read = clean(contract, accepted).order_by("id").select(*rows).to_pyarrow().to_pylist()
    return dict(
        broken.select("id", "reason").to_pyarrow().to_pandas().itertuples(index=False)
    ), read


def in_requests(contract: Contract, rows: dict[str, list[Any]]) -> list[bool]:
    """Whether the service takes each row."""
    model, taken = request_model(contract), []
    for place in range(ROWS):
        try:
            model.model_validate({name: values[place] for name, values in rows.items()})
        except ValidationError:
            taken.append(False)
        else:
            taken.append(True)
    return taken


def line_in(path: Path, name: str, part: str) -> int:
    """Line of a text that stands in one column of the file."""
    lines = path.read_text().splitlines()
    first = line_of(path, f"name: {name}")
    return next(n for n, line in enumerate(lines, 1) if n >= first and part in line)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn_case())
def test_one_thing_wrong_is_refused_at_its_place_or_computed_right(
    tmp_path: Path, case: Any
) -> None:
    columns, rows, name, (kind, corrupted, at) = case
    stated = {n: c.stated for n, c in columns.items()}
    if kind != "cell":
        stated[name] = corrupted
    path = write(tmp_path, document(*stated.values()))
    if kind == "refused":
        line = line_in(path, name, at)
        with pytest.raises(ContractError) as found:
            read_contract(path)
        place = str(found.value).partition(" ")[0].strip(",:")
        assert place.endswith(f"{path.name}:{line}")
        return
    contract, broken_row = read_contract(path), None
    if kind == "cell":
        broken_row = at
        rows[name][broken_row] = corrupted
    right = [
        {n: columns[n].read_as[values[place]] for n, values in rows.items()}
        for place in range(ROWS)
        if place != broken_row
    ]
    reasons, read = judged(contract, rows)
    assert read == right
    assert list(reasons) == ([] if broken_row is None else [f"r{broken_row}"])
    assert all(name in reason for reason in reasons.values())
    assert in_requests(contract, rows) == [place != broken_row for place in range(ROWS)]
