"""A bad setting of the simulated world is named, with its value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.simulation.settings import read_settings

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"radus": 4}, "'radus' is no setting; allowed are start, .*Did you mean 'radius'"),
    "misspelt inside": (
        {"labels": {"delay": 4}},
        "labels: 'delay' is no setting; allowed are delay_days, .*Did you mean 'delay_days'",
    ),
    "negative": ({"customers": -5}, "customers is -5, .*greater than or equal to 1"),
    "a share": ({"labels": {"late_share": 2}}, "labels.late_share is 2.*less than or equal to 1"),
    "of a wrong kind": ({"days": "long"}, "days is 'long'.*valid integer"),
    "backwards": ({"mean_amount": [9, 1]}, "mean_amount: the first number must not be above"),
    "no date": ({"start": "April"}, "start is 'April'.*date"),
    "unknown drift": ({"drift": [{"kind": "storm", "from": "2018-05-01"}]}, "'terminal_ring'"),
    "drift without a date": ({"drift": [{"kind": "terminal_ring"}]}, "from.*required"),
    "drift too late": (
        {"drift": [{"kind": "terminal_ring", "from": "2019-05-01"}]},
        "terminal_ring is from 2019-05-01, after the last of 183 days from 2018-04-01",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_setting_is_named(mistake: str) -> None:
    change, said = MISTAKES[mistake]
    with pytest.raises(ValueError, match=f"simulation settings: .*{said}"):
        read_settings(change)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"days is .*factor is "):
        read_settings({"days": 0, "factor": 0})
