"""Limits on samples of any size: honest models are seldom stopped, bad ones never pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from fin_kedro.checks.calibration import ece, ece_by_chance, recalibration
from fin_kedro.checks.data_quality import bad_rate_spread, spread_by_chance, target_by_part
from fin_kedro.checks.discrimination import auc_difference, delong
from fin_kedro.checks.stability import largest_by_chance, psi, psi_by_chance
from fin_kedro.checks.verdict import Panel, Sample, Status, judge
from tests.conftest import ROOT

GATES = yaml.safe_load((ROOT / "conf/base/policy.yml").read_text())["gates"]
LEAST = {"least_rows": 2000, "least_bads": 300}
SIMULATIONS = 40
SIZES = (200, 1_000, 10_000)


def drawn(rows: int, rng: np.random.Generator, truth: Callable[[Any], Any] = lambda p: p) -> Any:
    """Probabilities that a model says, AUC .81 if they are true; and outcomes."""
    said = rng.beta(0.9, 2.7, size=rows).clip(1e-4, 1 - 1e-4)
    return (rng.random(rows) < truth(said)).astype(int), said


def statuses(rows: int, truth: Callable[[Any], Any] = lambda p: p) -> dict[str, Counter[Status]]:
    """Verdicts on many such models, by gate of the embedded policy."""
    found: dict[str, Counter[Status]] = {}
    rng = np.random.default_rng(rows)
    for _ in range(SIMULATIONS):
        target, said = drawn(rows, rng, truth)
        panel = Panel(GATES, sample=Sample(rows=rows, bads=int(target.sum()), **LEAST))
        areas, covariance = delong(target=target, scores=[said])
        half = 1.96 * covariance[0, 0] ** 0.5
        panel.judge("DIS-AUC", areas[0], low=areas[0] - half, high=areas[0] + half)
        panel.judge("CAL-SLOPE", **recalibration(target=target, probability=said).loc["slope"])
        panel.judge(
            "CAL-ECE", ece(target=target, probability=said),
            chance=ece_by_chance(probability=said, draws=100),
        )  # fmt: skip
        for verdict in panel.verdicts:
            found.setdefault(verdict.code, Counter())[verdict.status] += 1
    return found


@pytest.mark.parametrize("rows", SIZES)
def test_honest_models_are_seldom_stopped(rows: int) -> None:
    for code, found in statuses(rows).items():
        assert found["fail"] <= 0.1 * SIMULATIONS, (code, found)  # 5 % and what 40 draws allow
    if rows == 10_000:
        assert all(f["pass"] + f["attention"] > 0.9 * SIMULATIONS for f in statuses(rows).values())


def too_sure(said: Any) -> Any:
    """The truth of a model whose log odds are twice too large: slope .5."""
    return expit(0.5 * logit(said))


def test_a_model_that_is_too_sure_fails_with_many_rows_and_never_passes_with_few() -> None:
    many, few = statuses(10_000, too_sure), statuses(200, too_sure)
    assert many["CAL-SLOPE"]["fail"] == many["CAL-ECE"]["fail"] == SIMULATIONS
    assert few["CAL-SLOPE"]["pass"] == few["CAL-SLOPE"]["attention"] == 0


def test_a_model_that_hardly_ranks_fails_with_many_rows_and_never_passes_with_few() -> None:
    def hardly(said: Any) -> Any:
        return expit(0.3 * logit(said) - 0.8)

    many, few = statuses(10_000, hardly), statuses(200, hardly)
    assert many["DIS-AUC"]["fail"] == SIMULATIONS
    assert few["DIS-AUC"]["pass"] == few["DIS-AUC"]["attention"] == 0
    assert few["DIS-AUC"]["fail"] > 0.5 * SIMULATIONS


@pytest.mark.parametrize("rows", [200, 3_000])
def test_a_champion_as_good_as_the_scorecard_is_seldom_stopped(rows: int) -> None:
    rng, stopped = np.random.default_rng(rows), 0
    for _ in range(100):
        target, said = drawn(rows, rng)
        noisy = [expit(logit(said) + rng.normal(0, 0.5, rows)) for _ in range(2)]
        gain = auc_difference(target=target, first=noisy[0], second=noisy[1])
        shown = {"value": gain["difference"], "low": gain["low"], "high": gain["high"]}
        gate = GATES["DIS-CHAMPION"]
        stopped += judge(code="C", title="", limits=gate["limits"], **shown).status == "fail"
    assert stopped <= 7  # of 100, 2.5 are expected


@pytest.mark.parametrize("rows", [60, 2_000])
def test_equal_populations_are_seldom_called_moved(rows: int) -> None:
    rng, stopped = np.random.default_rng(rows), Counter[str]()
    for _ in range(25):
        columns = rng.normal(size=(2, rows, 12))
        found = []
        for place in range(12):
            samples = {"reference": columns[0, :, place], "current": columns[1, :, place]}
            found.append((psi(**samples), psi_by_chance(**samples), 10))
        table = pd.DataFrame(found, columns=["psi", "by_chance", "bins"])
        table = table.sort_values("psi", ascending=False)
        limits = GATES["STA-FEATURE"]["limits"]
        top = float(table["psi"].iloc[0])
        verdict = judge(
            code="S", title="", value=top, limits=limits, chance=largest_by_chance(table)
        )
        stopped[verdict.status] += 1
        assert top <= 0.25 or verdict.status != "pass"
    assert stopped["fail"] <= 4  # of 25, 1 is expected


@pytest.mark.parametrize("rows", [200, 30_000])
def test_parts_of_one_rate_are_seldom_told_apart(rows: int) -> None:
    rng, stopped = np.random.default_rng(rows), 0
    limits = GATES["DAT-BADRATE"]["limits"]
    for _ in range(100):
        part = rng.choice(["train", "calibration", "test"], rows, p=[0.6, 0.2, 0.2])
        parts = target_by_part(target=(rng.random(rows) < 0.2).astype(int), part=part)
        spread, chance = bad_rate_spread(parts), spread_by_chance(parts, draws=500)
        verdict = judge(code="D", title="", value=spread, limits=limits, chance=chance)
        stopped += verdict.status == "fail"
    assert stopped <= 10  # of 100, 5 are expected


ENDS = st.floats(-2, 2, allow_nan=False)


@given(ENDS, st.floats(0, 1), st.floats(0, 1), ENDS, st.sampled_from(["min", "max"]), st.booleans())
def test_a_figure_beyond_its_limit_never_passes(
    value: float, below: float, above: float, limit: float, word: str, few: bool
) -> None:
    sample = Sample(rows=10 if few else 10**6, bads=5 if few else 10**5, **LEAST)
    ends = {"low": value - below, "high": value + above}
    shown = {"code": "X", "title": "", "limits": {word: limit}, "value": value, **ends}
    verdict = judge(**shown, sample=sample)
    figure, low, high = verdict.value, verdict.low, verdict.high
    assert figure is not None and low is not None and high is not None
    beyond = figure < limit if word == "min" else figure > limit
    surely = high < limit if word == "min" else low > limit
    within = low >= limit if word == "min" else high <= limit
    if not few:
        assert (verdict.status == "fail") == beyond
    else:
        expected = "fail" if surely else "pass" if within else "not_judged"
        assert verdict.status == expected
    if beyond:
        assert verdict.status != "pass"
