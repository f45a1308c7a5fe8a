"""A sample keeps its contract, whatever that says, and holds none of the source's rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from fin_kedro.contracts.model import Column, Contract, ContractError
from fin_kedro.contracts.tables import check_structure, split_rows
from fin_kedro.sampling.tables import as_table, draw_rows, learn_table, stated_table
from tests.sampling.contracts import contracts, loan_rows, loans

ROWS = 2000


def refused(contract: Contract, frame: pd.DataFrame) -> int:
    table = as_table(contract, frame)
    check_structure(contract, table)
    return int(split_rows(contract, table)[1].count().execute())


@settings(max_examples=8)
@given(contract=contracts(), seed=st.integers(0, 2**31))
def test_a_sample_of_any_contract_keeps_it_and_so_does_what_is_learnt_of_it(
    contract: Contract, seed: int
) -> None:
    alone = draw_rows(contract, stated_table(contract), 60, seed)
    assert (len(alone), refused(contract, alone)) == (60, 0)
    assert alone[contract.id.name].is_unique
    learnt = draw_rows(contract, learn_table(contract, alone), 40, seed)
    assert (len(learnt), refused(contract, learnt)) == (40, 0)


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    return loan_rows(ROWS)


@pytest.fixture(scope="module")
def sample(source: pd.DataFrame) -> pd.DataFrame:
    contract = loans()
    assert refused(contract, source) == 0
    return draw_rows(contract, learn_table(contract, source), ROWS, seed=1)


def test_the_shape_of_each_column_is_kept(source: pd.DataFrame, sample: pd.DataFrame) -> None:
    assert refused(loans(), sample) == 0
    for name in ("income", "late", "low"):
        assert ks_2samp(source[name].astype(float), sample[name].astype(float)).statistic < 0.05
    assert (sample["income"] == -9).mean() == pytest.approx(
        (source["income"] == -9).mean(), abs=0.02
    )
    assert sample["high"].isna().mean() == pytest.approx(source["high"].isna().mean(), abs=0.03)
    assert sample["bad"].mean() == pytest.approx(source["bad"].mean(), abs=0.02)
    days = [t["opened"].astype("int64").astype(float) for t in (source, sample)]
    assert ks_2samp(days[0] / days[0].max(), days[1] / days[0].max()).statistic < 0.05
    for level in ("Ulm", "Bonn", "Kiel"):
        assert (sample["town"] == level).mean() == pytest.approx(
            (source["town"] == level).mean(), abs=0.02
        )
    rates = [t.groupby("late")["bad"].mean()[[0, 1, 2]].to_numpy(float) for t in (source, sample)]
    assert rates[1] == pytest.approx(rates[0], abs=0.08)


def test_nothing_of_few_rows_and_nothing_of_persons_is_in_it(
    source: pd.DataFrame, sample: pd.DataFrame
) -> None:
    assert "Entenhausen" not in set(sample["town"])
    assert set(sample["job"]) == {"job_1", "job_2"}, "levels of personal texts have new names"
    assert not set(sample["mail"]) & set(source["mail"])
    ten = source["income"].nlargest(10).mean()  # the highest figure that is kept, and its mirror
    next_ten = source["income"].nlargest(20).iloc[10:].mean()
    assert sample["income"].max() <= ten + (ten - next_ten) < source["income"].max()
    everything = [c for c in source if c not in ("no", "mail")]
    rows = [{tuple(map(str, row)) for row in t[everything].to_numpy()} for t in (source, sample)]
    assert not rows[0] & rows[1]


def test_numbers_of_the_source_come_back_no_more_often_than_by_chance(
    source: pd.DataFrame, sample: pd.DataFrame
) -> None:
    """Beside another draw of the world that the source is a draw of."""
    other = loan_rows(ROWS, seed=99)
    known = set(source["income"]) - {-9.0}
    assert sample["income"].isin(known).sum() <= 1.5 * other["income"].isin(known).sum() + 20


def test_the_same_seed_gives_the_same_rows(source: pd.DataFrame) -> None:
    contract = loans()
    shape = learn_table(contract, source)
    one, again, other = (draw_rows(contract, shape, 50, seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(one, again)
    assert not one["income"].equals(other["income"])


def test_a_rule_that_nothing_keeps_is_named() -> None:
    contract = loans()
    never = Column(name="mail", type="string", pattern="^[a-z]{20}$", max_length=5)
    broken = Contract(
        name="loans", version="1", columns={**contract.columns, "mail": never}, event=True
    )
    with pytest.raises(ContractError, match="column mail: no text was found that keeps"):
        draw_rows(broken, stated_table(broken), 10, 1)
    few = Column(name="no", type="string", role="id", pattern="^[ab]$")
    broken = Contract(
        name="loans", version="1", columns={**contract.columns, "no": few}, event=True
    )
    with pytest.raises(ContractError, match=r"column no: only 2 different texts of \^\[ab\]\$"):
        draw_rows(broken, stated_table(broken), 10, 1)
