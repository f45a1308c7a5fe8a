from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.checks.parity import parity_figures, parity_verdicts, replay_findings

OPTIONS = {"code": "PAR", "title": "difference", "limits": {"max": 1e-5}}


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_a_model_equals_itself(score: list[float], threshold: float) -> None:
    found = parity_figures(first=score, second=score, threshold=threshold)
    assert (found["max_abs_diff"], found["decisions_differ"], found["rows"]) == (0, 0, len(score))


def test_a_decision_at_the_threshold() -> None:
    found = parity_figures(first=[0.2], second=[np.nextafter(0.2, 0)], threshold=0.2)
    assert found["decisions_differ"] == 1


def test_a_differing_decision_fails_whatever_the_limit() -> None:
    parity = {"m": {"max_abs_diff": 0.0, "decisions_differ": 1, "rows": 10}}
    assert parity_verdicts(parity, **{**OPTIONS, "limits": {"max": 0.5}})[0].status == "fail"


def test_one_verdict_a_model() -> None:
    measured = {"max_abs_diff": 2e-5, "decisions_differ": 0, "rows": 10}
    found = parity_verdicts({"b": measured, "a": {**measured, "max_abs_diff": 1e-7}}, **OPTIONS)
    assert [(v.code, v.status) for v in found] == [("PAR-A", "pass"), ("PAR-B", "fail")]


def test_unmeasured_graphs_do_not_pass() -> None:
    with pytest.raises(ValueError, match="parity is empty"):
        parity_verdicts({}, **OPTIONS)
    with pytest.raises(ValueError, match="parity of m was measured on 0 rows"):
        parity_verdicts({"m": {"max_abs_diff": 0, "decisions_differ": 0, "rows": 0}}, **OPTIONS)


def test_a_replay_of_too_few_rows_or_without_a_demanded_store_is_no_measurement() -> None:
    online = {"memory": {"rows": 100, "differences": 2}, "log": {"rows": 99, "differences": 0}}
    found = replay_findings(online, fewest_rows=100, stores=["memory", "redis"])
    assert found == {
        "memory": (2, "100 transactions replayed"),
        "redis": (None, "the policy demands this store, and it was not replayed"),
        "log": (None, "99 transactions replayed; the policy demands 100"),
    }
