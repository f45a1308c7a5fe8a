"""Small worlds that several test files look at."""

from __future__ import annotations

import pytest

from fin_kedro.simulation.card_transactions import Simulation
from tests.simulation.worlds import UNTIDY, made


@pytest.fixture(scope="package")
def world() -> Simulation:
    return made()


@pytest.fixture(scope="package")
def untidy() -> Simulation:
    return made(UNTIDY)
