from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fin_kedro.checks import pictures
from fin_kedro.checks.fairness import impact_by_group


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def swarm() -> Figure:
    rng = np.random.default_rng(1)
    values = pd.DataFrame({"a": rng.normal(size=200), "b": ["x", None] * 100})
    parts = pd.DataFrame({"a": rng.normal(size=200), "b": np.zeros(200)})
    return pictures.draw_swarm(values=values, contributions=parts)


def test_same_data_same_bytes() -> None:
    assert png(swarm()) == png(swarm())


def test_style_stays_inside() -> None:
    before = dict(plt.rcParams)
    swarm()
    assert dict(plt.rcParams) == before


def test_only_judged_groups_are_drawn() -> None:
    group = ["a"] * 30 + ["b"] * 30 + ["c"] * 3
    table = impact_by_group(target=[0] * 63, approved=[1] * 63, group=group, smallest=10)
    figure = pictures.draw_impact({"sex": table}, limit=0.8)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["sex: a", "sex: b"]


def test_nothing_to_judge_still_draws() -> None:
    table = impact_by_group(target=[0] * 4, approved=[1] * 4, group=["a"] * 4, smallest=10)
    assert png(pictures.draw_impact({"sex": table}, limit=0.8))
