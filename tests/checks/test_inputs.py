from __future__ import annotations

import numpy as np
import pytest

from fin_kedro.checks.inputs import labels, numbers, probabilities, same_length


def test_empty() -> None:
    with pytest.raises(ValueError, match="score is empty"):
        numbers([], name="score")


def test_nan_names_the_row() -> None:
    with pytest.raises(ValueError, match=r"score holds nan in row 1 \(2 such rows\)"):
        numbers([1, np.nan, np.inf], name="score")


def test_two_dimensions() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        numbers([[1, 2]], name="score")


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_probability_range(value: float) -> None:
    with pytest.raises(ValueError, match="allowed is 0 to 1"):
        probabilities([0.5, value])


def test_unknown_label() -> None:
    with pytest.raises(ValueError, match="target holds 2 in row 1; allowed are 0"):
        labels([0, 2])


def test_one_class() -> None:
    with pytest.raises(ValueError, match="target holds only 1"):
        labels([1, 1])
    assert labels([1, 1], both=False).tolist() == [1, 1]


def test_lengths_are_named() -> None:
    with pytest.raises(ValueError, match="'target': 2, 'score': 1"):
        same_length(target=[0, 1], score=[1])
