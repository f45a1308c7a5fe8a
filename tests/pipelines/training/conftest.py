"""One small training that all these tests look at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipelines.training.training_run import run_training


@pytest.fixture(scope="package")
def done() -> dict[str, Any]:
    return run_training()
