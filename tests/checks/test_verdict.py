from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.verdict import (
    Panel,
    Verdict,
    decided,
    from_records,
    judge,
    not_applicable,
    order_verdicts,
    overall,
    to_records,
)

FINITE = st.floats(-1e6, 1e6)


def status(value: float | None, **limits: float) -> str:
    return judge(code="A", title="a", value=value, limits=limits).status


@given(value=FINITE, limit=FINITE)
def test_min_and_max_agree_with_comparison(value: float, limit: float) -> None:
    value, limit = round(value, 6), round(limit, 6)
    assert (status(value, min=limit) == "pass") == (value >= limit)
    assert (status(value, max=limit) == "pass") == (value <= limit)


def test_warning_lies_inside_the_limit() -> None:
    found = [status(value, max=0.25, attention_max=0.1) for value in (0.1, 0.11, 0.25, 0.26)]
    assert found == ["pass", "attention", "attention", "fail"]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_no_figure_fails_even_without_limits(value: float | None) -> None:
    assert status(value) == "fail"


def test_interval_end_binds() -> None:
    limits = {"min": 0.7, "low_min": 0.7}
    good = judge(code="A", title="a", value=0.75, low=0.71, high=0.8, limits=limits)
    assert good.status == "pass"
    weak = judge(code="A", title="a", value=0.75, low=0.69, high=0.8, limits=limits)
    assert weak.status == "fail"
    unknown = judge(code="A", title="a", value=0.75, limits=limits)
    assert unknown.status == "fail"


def test_judged_as_shown() -> None:
    verdict = judge(code="A", title="a", value=0.7499999, limits={"min": 0.75}, digits=4)
    assert (verdict.value, verdict.status) == (0.75, "pass")


def test_unknown_limit_is_named() -> None:
    with pytest.raises(ValueError, match="'minimum'; allowed are"):
        status(1.0, minimum=0)


def test_not_applicable_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="A: a check that does not apply needs a reason"):
        not_applicable(code="A", title="a", reason=" ")


def test_what_is_not_judged_keeps_its_figure_and_says_what_is_missing() -> None:
    asked = {"code": "A", "title": "a", "value": 0.74444449, "limits": {"min": 0.8}}
    found = decided(**asked, status="not_judged", low=0.5, high=1.1, detail="too few rows")
    assert (found.value, found.low, found.high) == (0.744444, 0.5, 1.1)
    assert (found.threshold, found.status) == (">= 0.8", "not_judged")
    for status in ("not_judged", "not_applicable"):
        with pytest.raises(ValueError, match=f"A: {status} needs its reason"):
            decided(**asked, status=status)


def test_not_judged_is_worse_than_a_pass_and_better_than_a_warning() -> None:
    panel = Panel({"X": {"title": "x", "limits": {"max": 1, "attention_max": 0.5}}})
    panel.judge("X", 0.2)
    panel.decide("X", "not_judged", 2.0, part="b", detail="too few rows")
    assert overall(panel.verdicts) == "not_judged"
    panel.judge("X", 0.7, part="a")
    assert overall(panel.verdicts) == "attention"
    assert [v.code for v in order_verdicts(panel.verdicts)] == ["X-A", "X-B", "X"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.one_of(st.none(), FINITE), st.booleans())))
def test_records_round_trip_in_order(drawn: list[tuple[str, float | None, bool]]) -> None:
    verdicts = [
        judge(code=code, title="t", value=value, limits={"min": 0}, gate=gate)
        for code, value, gate in drawn
    ]
    records = json.loads(json.dumps(to_records(verdicts), allow_nan=False))
    assert from_records(records) == order_verdicts(verdicts)
    severity = ["fail", "attention", "pass"]
    places = [severity.index(record["status"]) for record in records]
    assert places == sorted(places)


def test_only_gates_decide() -> None:
    info = judge(code="A", title="a", value=0, limits={"min": 1}, gate=False)
    gate = judge(code="B", title="b", value=2, limits={"min": 1})
    assert overall([info, gate]) == "pass"
    assert overall([info]) == "not_applicable"


def test_malformed_records() -> None:
    record = to_records([judge(code="A", title="a", value=1, limits={})])[0]
    with pytest.raises(ValueError, match="A: unknown status 'passed'"):
        from_records([{**record, "status": "passed"}])
    with pytest.raises(TypeError):
        from_records([{**record, "extra": 1}])


def test_panel_takes_limits_from_the_policy() -> None:
    panel = Panel({"X": {"title": "x", "limits": {"max": 1}, "gate": False}})
    assert panel.judge("X", 2, part="Sex").code == "X-SEX"
    assert panel.skip("X", "none").gate is False
    assert all(isinstance(verdict, Verdict) for verdict in panel.verdicts)
    with pytest.raises(KeyError, match="no gate 'Y'"):
        panel.judge("Y", 1)


def test_a_gate_that_nothing_judges_is_named() -> None:
    gate = {"title": "t", "limits": {"min": 0}, "reason": "r"}
    panel = Panel({"FAI-AIR": gate, "DIS-AUC": gate, "DIS-AUC-NEW": gate, "OWN-ONE": gate})
    panel.skip("FAI-AIR", "one group only", part="SEX")
    panel.judge("DIS-AUC", 1.0)
    assert panel.unjudged() == ["DIS-AUC-NEW", "OWN-ONE"]
