"""Datasets of two runs: what differs inside them, where their files still are."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tests.changes.sealed_lab import SealedLab, as_json


def test_data_that_were_read_come_before_those_that_were_made(lab: SealedLab) -> None:
    def table(value: float) -> Any:
        frame = pd.DataFrame({"id": ["a", "b"], "x": [1.0, value]})
        return {"b.parquet": frame.to_parquet, "c.json": as_json({"list": [1, value]})}

    seals = (
        lab.seal("1", data=table(2.0), read={"raw": "a", "gone": "c"}),
        lab.seal("2", data=table(3.0), read={"raw": "b"}),
    )
    changes = lab.compare(*seals).data
    assert [(c.name, c.change, c.made) for c in changes] == [
        ("gone", "only first", False),
        ("raw", "changed", False),
        ("b.parquet", "changed", True),
        ("c.json", "changed", True),
    ]
    assert changes[1].detail.startswith("the file of one run is gone")
    assert changes[2].detail.cells == 1
    assert changes[3].detail == [("list[1]", 2.0, 3.0)]


def test_a_file_that_was_changed_after_its_run_is_not_shown(lab: SealedLab) -> None:
    seals = [lab.seal(run, data={"a.json": as_json({"x": x})}) for run, x in (("1", 1), ("2", 2))]
    (lab.root / "data/a.json/1/a.json").write_text('{"x": 99}')
    (change,) = lab.compare(*seals).data
    assert change.detail.startswith("the file of one run is gone or was changed since")
