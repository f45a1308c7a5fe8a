"""Raw rows to the model table: quarantined by policy, split for good, protected kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from fin_kedro.contracts import Column, Contract, ContractError
from fin_kedro.features.model_table import (
    assign_part,
    assign_span,
    build_model_table,
    day_start,
    quarantine_broken_rows,
)
from tests.pipelines.samples import FEATURES, SPLIT, applications, contract, table

CONTRACT, FRAME = contract(), applications()
POLICY = {"largest_share": 0.01}


def broken(count: int) -> pd.DataFrame:
    frame = FRAME.copy()
    frame.loc[: count - 1, "income"] = -1.0
    return frame


def parts(frame: pd.DataFrame, split: Any = SPLIT, of: Contract = CONTRACT) -> pd.Series:
    rows = table(frame)
    made = rows.select("number", part=assign_part(of, rows, split)).execute()
    return made.set_index("number")["part"]


# quarantine


def test_broken_rows_are_set_aside_and_counted() -> None:
    accepted, quarantined, report = quarantine_broken_rows(table(broken(12)), CONTRACT, POLICY)
    assert accepted.execute()["number"].tolist() == list(range(12, 1200))
    assert quarantined.execute()["number"].tolist() == list(range(12))
    counts = {"rows": 1200, "accepted": 1188, "quarantined": 12, "quarantined_share": 0.01}
    assert {name: report[name] for name in counts} == counts
    assert report["by_reason"] == {"income: -1.0 is not allowed (0 to 10000000)": 12}
    assert report["contract_digest"] == CONTRACT.digest


def test_a_share_above_policy_stops_the_run() -> None:
    said = (
        r"13 of 1200 rows of loans \(1\.08%\) break .*loans\.odcs\.yaml.*1\.00%.*13 x income: -1\.0"
    )
    with pytest.raises(ContractError, match=said):
        quarantine_broken_rows(table(broken(13)), CONTRACT, POLICY)


def test_an_empty_delivery_is_no_division_by_zero() -> None:
    *_, report = quarantine_broken_rows(table(FRAME).filter(False), CONTRACT, POLICY)
    assert (report["rows"], report["quarantined_share"], report["by_reason"]) == (0, 0, {})


# split


def test_new_rows_never_move_old_ones() -> None:
    before = parts(FRAME[200:700])
    after = parts(FRAME.sample(frac=1, random_state=1))
    assert after.loc[before.index].equals(before)


def test_the_shares_are_those_asked_for() -> None:
    found = parts(applications(20_000)).value_counts(normalize=True)
    assert dict(found) == pytest.approx(SPLIT["shares"], abs=0.015)


def test_another_salt_draws_other_parts() -> None:
    assert not parts(FRAME, {**SPLIT, "salt": "other"}).equals(parts(FRAME))


def test_the_outcome_plays_no_part_in_the_split() -> None:
    assert parts(FRAME.assign(bad=1 - FRAME["bad"])).equals(parts(FRAME))


@pytest.mark.parametrize(
    "shares",
    [{"train": 0.5, "calibration": 0.2, "test": 0.2}, {"train": 0.5, "test": 0.5}],
    ids=["not one", "a part missing"],
)
def test_shares_that_make_no_whole_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="split.shares is .* must sum to 1"):
        parts(FRAME, {**SPLIT, "shares": shares})


DATED = FRAME.assign(day=pd.Timestamp("2019-01-01") + pd.to_timedelta(FRAME["number"], "D"))
TIMED = replace(
    CONTRACT, columns={**CONTRACT.columns, "day": Column(name="day", type="date", role="time")}
)


def test_rows_from_a_date_on_are_out_of_time() -> None:
    found = parts(DATED, {**SPLIT, "out_of_time_from": "2021-01-01"}, TIMED)
    late = DATED.set_index("number")["day"] >= "2021-01-01"
    assert (found[late] == "out_of_time").all()
    assert found[~late].equals(parts(FRAME).loc[found[~late].index])


@pytest.mark.parametrize("split", [SPLIT, {**SPLIT, "out_of_time_from": None}])
def test_a_time_column_without_a_date_is_refused(split: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="loans names a time column.*out_of_time_from"):
        parts(DATED, split, TIMED)


# model table


def built(of: Contract = CONTRACT, frame: pd.DataFrame = FRAME, **split: Any) -> tuple[Any, Any]:
    made, listing = build_model_table(table(frame), of, FEATURES, {**SPLIT, **split})
    return made.execute(), listing


def test_protected_columns_are_named_so_and_are_no_feature() -> None:
    made, listing = built()
    assert made["protected__sex"].tolist() == FRAME["sex"].tolist()
    assert "sex" not in made and not any("sex" in f["reads"] for f in listing.values())


def test_rows_are_in_the_order_of_their_numeric_id() -> None:
    made, _ = built(frame=FRAME.sample(frac=1, random_state=2))
    assert made["entity_id"].tolist() == [str(i) for i in range(len(FRAME))]


def test_the_target_is_one_for_the_event() -> None:
    made, _ = built(replace(CONTRACT, event=0))
    assert made["target"].tolist() == (1 - FRAME["bad"]).tolist()


def test_time_stands_in_the_table_where_there_is_one() -> None:
    made, _ = built(TIMED, DATED, out_of_time_from="2021-01-01")
    assert made["time"].tolist() == DATED["day"].tolist()
    assert "time" not in built()[0]


def test_the_list_says_what_each_feature_is_and_reads() -> None:
    made, listing = built()
    assert list(listing) == [c.name for c in CONTRACT.features] == list(made)[-len(listing) :]
    assert listing["score"]["reads"] == ["score"] and listing["education"]["nominal"]
    assert {f["reason_column"] for f in listing.values()} <= {c.name for c in CONTRACT.features}


# parts by time

DAY = 86_400_000_000
SPANNED = {
    "by": "time",
    "parts": {
        "train": {"from": "2018-07-01", "to": "2018-07-11"},
        "calibration": {"from": "2018-07-11", "to": "2018-07-16"},
        "test": {"from": "2018-07-20", "to": "2018-07-25"},
    },
    "delay_days": 4,
}
EVENTS = FRAME.assign(
    moment=day_start("2018-06-25") + FRAME["number"] * (DAY // 30) + 1, known=FRAME["number"] % 2
)
MOMENT = Column(name="moment", type="integer", role="time")
KNOWN = Column(name="known", type="integer")
TIMELY = replace(CONTRACT, columns={**CONTRACT.columns, "moment": MOMENT, "known": KNOWN})


def spanned(**changes: Any) -> pd.DataFrame:
    features = {**FEATURES, "keep": ["moment"]}
    made, _ = build_model_table(table(EVENTS), TIMELY, features, {**SPANNED, **changes})
    return made.execute()


def test_spans_of_days_make_the_parts_and_the_rest_is_left_out() -> None:
    made = spanned()
    days = pd.to_datetime(made["keep__moment"], unit="us").dt.strftime("%Y-%m-%d")
    seen = {part: (d.min(), d.max()) for part, d in days.groupby(made["part"])}
    assert seen == {
        "train": ("2018-07-01", "2018-07-10"),
        "calibration": ("2018-07-11", "2018-07-15"),
        "test": ("2018-07-20", "2018-07-24"),
    }
    assert len(made) == 30 * 20


def test_a_row_on_the_edge_belongs_to_the_later_part() -> None:
    edge = day_start("2018-07-11")
    rows = table(EVENTS.assign(moment=[edge - 1, edge] * (len(EVENTS) // 2)))
    parts = rows.select("moment", part=assign_span(TIMELY, rows, SPANNED)).execute()
    assert set(parts.loc[parts["moment"] == edge, "part"]) == {"calibration"}
    assert set(parts.loc[parts["moment"] < edge, "part"]) == {"train"}


def test_rows_that_are_decided_already_leave_only_the_parts_named() -> None:
    made = spanned(leave_out={"column": "known", "parts": ["test"]})
    odd = made["entity_id"].astype(int) % 2 == 1
    assert not (odd & (made["part"] == "test")).any()
    assert (odd & (made["part"] == "train")).any()


def broken_span(**parts: Any) -> dict[str, Any]:
    return {**SPANNED, "parts": {**SPANNED["parts"], **parts}}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (broken_span(validation={"from": "2018-07-25", "to": "2018-07-26"}), "names .*validation"),
        (
            broken_span(train={"from": "2018-07-01", "to": "2018-07-01"}),
            "train is .*must end after",
        ),
        (
            broken_span(test={"from": "2018-07-15", "to": "2018-07-25"}),
            "start where the one before",
        ),
        ({**SPANNED, "delay_days": 5}, "test starts 2018-07-20, less than .* 5 days"),
        ({**SPANNED, "by": "card"}, "split.by is 'card'; allowed: hash, time"),
    ],
    ids=["unknown", "empty", "overlap", "delay", "way"],
)
def test_spans_that_would_leak_are_refused(split: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_model_table(table(EVENTS), TIMELY, FEATURES, split)


def test_a_cut_by_time_needs_a_time_column() -> None:
    with pytest.raises(ContractError, match="loans has no column of role 'time'"):
        built(**SPANNED)


# outcomes that are not yet known


def test_rows_without_an_outcome_are_kept_and_never_learnt_from() -> None:
    outcome = CONTRACT.target
    columns = {**CONTRACT.columns, outcome.name: replace(outcome, required=False)}
    pending = FRAME.astype({outcome.name: "Int64"})
    pending.loc[:6, outcome.name] = pd.NA
    accepted, quarantined, report = quarantine_broken_rows(
        table(pending), replace(CONTRACT, columns=columns), POLICY
    )
    assert (report["accepted"], report["quarantined"], report["without_outcome"]) == (1200, 0, 7)
    assert quarantined.count().execute() == 0
    made, _ = build_model_table(accepted, replace(CONTRACT, columns=columns), FEATURES, SPLIT)
    found = made.execute()
    assert len(found) == 1193 and found["target"].isin([0, 1]).all()
    assert not set(found["entity_id"]) & {str(n) for n in FRAME["number"][:7]}
    whole, _ = build_model_table(table(FRAME), CONTRACT, FEATURES, SPLIT)
    rest = whole.execute()[lambda t: t["entity_id"].isin(found["entity_id"])]
    pd.testing.assert_frame_equal(found, rest.reset_index(drop=True))
