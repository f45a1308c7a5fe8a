"""A moment has one number, however it is written; a feature of such a type says its reference."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.contracts import ContractError
from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.moments import iso_text, microseconds
from fin_kedro.contracts.requests import request_model
from tests.contracts.samples import line_of, prop, read

APPLIED = prop("applied", "date", "time")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))


def since(*, custom: dict[str, Any] | None = None, type_: str = "date", **more: Any) -> Any:
    return prop("since", type_, custom=custom or {}, **more)


@given(MOMENTS, ZONES)
def test_a_moment_is_the_same_number_however_it_is_written(
    naive: dt.datetime, zone: dt.timezone
) -> None:
    aware = naive.replace(tzinfo=dt.UTC)
    expected = (aware - EPOCH) / dt.timedelta(microseconds=1)
    abroad = aware.astimezone(zone)
    written = [naive.isoformat(), naive.isoformat(sep=" ") + "Z", abroad.isoformat()]
    for value in (naive, aware, abroad, pd.Timestamp(naive), *written):
        assert microseconds(value) == expected
    assert microseconds(iso_text(abroad, "timestamp")) == expected


@given(st.dates())
def test_a_day_is_its_midnight(day: dt.date) -> None:
    assert microseconds(day) == microseconds(day.isoformat()) == (day - EPOCH.date()).days * 864e8
    assert iso_text(day, "date") == day.isoformat()


def test_what_is_missing_is_no_number_and_what_is_no_moment_is_refused() -> None:
    assert all(math.isnan(microseconds(v)) for v in (None, math.nan, pd.NaT))
    assert iso_text(pd.NaT, "date") is None
    for wrong in ("30.11.2026", "2026-02-30", "", 20261130):
        with pytest.raises(ValueError, match="is no date and no timestamp; write it like"):
            microseconds(wrong)


def test_an_age_is_counted_at_the_rows_time_where_nothing_else_is_stated(tmp_path: Path) -> None:
    contract = read(tmp_path, APPLIED, since())
    assert contract.columns["since"].age_at == "time"
    assert [c.name for c in contract.inputs] == ["since", "applied"]
    assert Contract.from_dict(contract.to_dict()) == contract
    fixed = read(tmp_path, prop("x", "number"), since(custom={"ageAt": "2026-01-01"}))
    assert fixed.columns["since"].age_at == "2026-01-01"
    assert fixed.inputs == fixed.features
    assert "age_at" not in fixed.columns["x"].to_dict()  # contracts without ages say the same


def test_an_age_has_a_direction(tmp_path: Path) -> None:
    assert (
        read(tmp_path, APPLIED, since(custom={"expectedSign": "negative"})).features[0].sign == -1
    )
    ignored = prop("closed", "date", "ignored", custom={"expectedSign": "negative"})
    with pytest.raises(ContractError, match="a date has no direction"):
        read(tmp_path, APPLIED, since(), ignored)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((since(),), "no column has the role time.*ageAt, value: 2026-01-01"),
        ((since(custom={"ageAt": "time"}),), "no column has the role time"),
        ((since(custom={"ageAt": "applied"}), APPLIED), "ageAt is 'applied'; allowed are time"),
        ((since(custom={"ageAt": "01.01.2026"}), APPLIED), "allowed are time"),
        ((since(custom={"scale": "nominal"}), APPLIED), "take scale: nominal away"),
        ((since(), prop("applied", "integer", "time")), "counted at applied, which is of type int"),
        ((prop("since", "number", custom={"ageAt": "time"}), APPLIED), "ageAt belongs to a date"),
        (
            (prop("since", "date", "ignored", custom={"ageAt": "time"}), prop("x", "number")),
            "role 'ignored'; take ageAt away",
        ),
    ],
    ids=str,
)
def test_an_age_without_a_reference_is_refused_with_its_line(
    tmp_path: Path, columns: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(ContractError, match=f"column since: .*{said}") as error:
        read(tmp_path, *columns)
    place = int(str(error.value).split("small.odcs.yaml:")[1].split(",")[0])
    stated = line_of(tmp_path / "small.odcs.yaml", "name: since")
    assert stated <= place <= stated + 12


def test_a_request_brings_the_day_and_the_time_it_is_counted_at(tmp_path: Path) -> None:
    contract = read(
        tmp_path, APPLIED, since(required=False, custom={"missingCodes": ["1900-01-01"]})
    )
    model = request_model(contract)
    fields = model.model_json_schema()["properties"]
    assert set(fields) == {"id", "since", "applied"}
    assert fields["applied"]["format"] == "date"
    row = {"since": "2024-02-29", "applied": "2026-11-30"}
    for good in (row, {**row, "since": None}, {**row, "since": "1900-01-01"}):
        model.model_validate(good)
    for bad in ({"since": row["since"]}, {**row, "since": "29.02.2024"}, {**row, "since": 7}):
        with pytest.raises(pydantic.ValidationError):
            model.model_validate(bad)
