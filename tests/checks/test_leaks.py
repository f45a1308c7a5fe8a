"""What could not have been known: one column alone, copies, time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.checks.leaks import copied_rows, overlapping_rows, single_feature_aucs

ROWS = 4000
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS)
BAD = (RNG.random(ROWS) < 1 / (1 + np.exp(1 - X))).astype(int)
LEARN = np.arange(ROWS) < 2400


def aucs(table: pd.DataFrame, bad: np.ndarray = BAD) -> pd.Series:
    return single_feature_aucs(
        train=table[LEARN], train_target=bad[LEARN], test=table[~LEARN], test_target=bad[~LEARN]
    )


def pairwise_auc(bad: np.ndarray, score: np.ndarray) -> float:
    """The share of pairs that are ranked right, ties half: by hand."""
    up = score[bad == 1][:, None] - score[bad == 0][None, :]
    return float((up > 0).mean() + (up == 0).mean() / 2)


def test_a_plain_leak_is_named_first() -> None:
    paid_back = np.where(BAD == 1, RNG.random(ROWS), 1 + RNG.random(ROWS))
    found = aucs(pd.DataFrame({"x": X, "paid_back": paid_back}))
    assert found.index[0] == "paid_back" and found["paid_back"] > 0.99
    assert 0.6 < found["x"] < 0.85
    assert found["x"] == pytest.approx(pairwise_auc(BAD[~LEARN], X[~LEARN]), abs=0.02)


def test_a_leak_of_any_shape_and_kind_is_found() -> None:
    risen = np.where(BAD == 1, RNG.choice([-2.0, 2.0], ROWS), 0) + RNG.normal(0, 0.3, ROWS)
    found = aucs(
        pd.DataFrame({
            "both_sides": risen,
            "missing_when_bad": np.where(BAD == 1, np.nan, X),
            "state": np.where(BAD == 1, "closed", RNG.choice(["open", "new"], ROWS)),
            "empty_when_bad": np.where(BAD == 1, "", "b"),
            "one_value": np.where(BAD == 1, 7.0, np.round(X)),
            "flag": BAD == 1,
        })
    )  # fmt: skip
    assert (found > 0.95).all(), found


def test_noise_and_unseen_levels_say_nothing() -> None:
    ids = [f"n{i}" for i in range(ROWS)]
    found = aucs(
        pd.DataFrame({
            "noise": RNG.normal(size=ROWS), "name": ids, "constant": np.ones(ROWS),
            "nothing": np.full(ROWS, np.nan), "few": RNG.choice(["a", "b", None], ROWS),
        })
    )  # fmt: skip
    assert (found - 0.5).abs().max() < 0.05
    assert found["name"] == found["constant"] == found["nothing"] == 0.5


def test_it_is_judged_on_rows_that_it_has_not_learnt_from() -> None:
    """A level for each training row would rank its own rows without a fault."""
    levels = np.where(LEARN, np.arange(ROWS), np.arange(ROWS) - 2000).astype(str)
    assert abs(aucs(pd.DataFrame({"level": levels}))["level"] - 0.5) < 0.06


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(-5, 5) | st.just(float("nan")), st.integers(0, 1)),
        min_size=8, max_size=60,
    )
)  # fmt: skip
def test_an_auc_is_a_share_and_turning_the_column_round_changes_little(
    rows: list[tuple[float, int]],
) -> None:
    values = np.array([value for value, _ in rows])
    bad = np.array([outcome for _, outcome in rows])
    bad[:2] = 0, 1
    table = pd.DataFrame({"a": values, "again": values})
    found = single_feature_aucs(train=table, train_target=bad, test=table, test_target=bad)
    assert found.between(0, 1).all()
    assert found["a"] == found["again"]
    assert found["a"] >= 0.5 - 1e-9  # on its own rows no bin is turned round


def test_copies_have_features_and_outcome_of_a_training_row() -> None:
    train = pd.DataFrame({"a": [1.0, 2, np.nan], "b": ["x", "y", None]})
    test = pd.DataFrame({"a": [1.0, 1, 2, np.nan, 3], "b": ["x", "x", "x", None, "y"]})
    same = {"train": train, "train_target": [0, 1, 0], "test": test}
    assert copied_rows(**same, test_target=[0, 1, 1, 0, 1]) == 2
    assert copied_rows(**same, test_target=[1, 1, 0, 1, 0]) == 0


def test_the_future_is_later_than_the_past() -> None:
    assert overlapping_rows(past=[1, 5, 3], future=[6, 7]) == 0
    assert overlapping_rows(past=[1, 5, 3], future=[5, 4, 6]) == 2
    assert overlapping_rows(past=pd.to_datetime(["2025-01-02"]), future=[]) == 0


def test_lengths_must_fit() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match="train"):
        single_feature_aucs(train=table, train_target=[0, 1, 1], test=table, test_target=[0, 1])
