"""A column's profile against what plain Python counts of its rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.drafting.profile import (
    is_iban,
    profile_column,
    readings,
    suspicious_codes,
    weighted_quantiles,
)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=200))
def test_quantiles_are_those_of_the_rows(rows: list[int]) -> None:
    counted = sorted(Counter(rows).items())
    found = weighted_quantiles(
        np.array([v for v, _ in counted]), np.array([n for _, n in counted]), (0.25, 0.5, 0.75)
    )
    # the smallest value that at least this share of the rows does not exceed
    ordered = sorted(rows)
    for share, value in zip((0.25, 0.5, 0.75), found, strict=True):
        assert value == ordered[max(int(np.ceil(share * len(rows))) - 1, 0)]


@given(st.lists(st.integers(0, 60), min_size=20, max_size=200), st.integers(2, 30))
def test_a_code_far_away_is_found_and_draws_no_bound(rows: list[int], times: int) -> None:
    if len(set(rows) - {7, 8, 9}) < 2:  # these may be codes themselves: no values to be apart from
        return
    counted = Counter([*rows, *[9999] * times])
    found = profile_column("x", "integer", list(counted), list(counted.values()), missing=3)
    assert 9999 in found.sure_codes
    assert found.high <= max(rows)
    assert found.rows == len(rows) + times + 3


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=50, unique=True))
def test_values_that_each_stand_once_are_no_codes(values: list[int]) -> None:
    assert suspicious_codes(values, [1] * len(values)) == []


@pytest.mark.parametrize(
    ("cells", "integers", "numbers"),
    [
        (["1", "22"], True, True),
        (["1", "2.5"], False, True),
        (["007", "12"], False, False),
        (["12345678901234567890"], False, False),
        (["1e5", "2"], False, True),
        (["12.0", "3.0"], True, True),
        (["1", "x"], False, False),
        (["-5", "+7"], True, True),
    ],
)
def test_cells_are_read_as_the_contract_reads_them(
    cells: list[str], integers: bool, numbers: bool
) -> None:
    found = readings(cells)
    assert ((".", "") in found.integers, (".", "") in found.numbers) == (integers, numbers)


@pytest.mark.parametrize(
    ("cells", "days", "moments"),
    [
        (["2026-11-30"], [""], []),
        (["2026-02-30"], [], []),  # there is no such day
        (["30.11.2026 10:15"], [], ["%d.%m.%Y %H:%M"]),
        (["2026-11-30T10:15:00Z"], [], [""]),
        (["20261130", "20260101"], ["%Y%m%d"], []),
        (["20261399"], [], []),
    ],
)
def test_days_and_moments_are_told_with_their_format(
    cells: list[str], days: list[str], moments: list[str]
) -> None:
    found = readings(cells)
    assert (list(found.days), list(found.moments)) == (days, moments)


def test_a_delay_of_minus_one_is_asked_about_and_kept() -> None:
    found = profile_column("delay", "integer", [-1, 0, 1, 2, 3], [50, 90, 9, 4, 2], missing=0)
    assert [(c.value, c.sure) for c in found.codes] == [(-1, False)]
    assert found.low == -1


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("GB29 NWBK 6016 1331 9268 19", True),
        ("GB29NWBK60161331926819", True),
        ("GB28NWBK60161331926819", False),
        ("GB29", False),
    ],
)
def test_the_check_digits_of_an_iban_count(text: str, right: bool) -> None:
    assert is_iban(text) is right
