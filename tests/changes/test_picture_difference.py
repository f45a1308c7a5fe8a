"""Pictures of two runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fin_kedro.changes.difference_html import render_difference
from tests.changes.sealed_lab import SealedLab


def picture(colour: str) -> Any:
    from matplotlib.figure import Figure

    def save(path: Path) -> None:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], color=colour)
        figure.savefig(path, format="png")

    return save


def test_pictures_stand_side_by_side(lab: SealedLab) -> None:
    seals = [
        lab.seal(run, data={"roc.png": picture(colour), "same.png": picture("red")})
        for run, colour in (("1", "red"), ("2", "blue"))
    ]
    found = lab.compare(*seals)
    assert [p.title for p in found.pictures] == ["roc.png"]
    assert found.same_pictures == 1
    page = render_difference(found)
    assert page.count('<img src="data:image/png;base64,') == 2
    assert 'alt="roc.png, before"' in page
