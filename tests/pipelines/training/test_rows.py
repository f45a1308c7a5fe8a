"""A part without rows is named."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.pipelines.training import train
from tests.pipelines.samples import CHAMPION


def test_a_part_without_rows_is_named(done: dict[str, Any]) -> None:
    t = done["model_table"]
    with pytest.raises(
        ValueError, match=r"part 'train' has no rows; the table has \['calibration', "
    ):
        train.train_champion(t.filter(t.part != "train"), done["features"], CHAMPION)
