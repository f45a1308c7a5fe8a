"""What seals an execution is found by an entry point; when it fails, nothing executed is lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sealed_kernel import sealer

LOGGER = "papermill"


class Stamp:
    """Seals with a word; the notebook "torn" cannot be sealed."""

    ask: Mapping[str, str] = {}

    def __init__(self, nb: Any, source: Path) -> None:
        self.nb, self.source = nb, source

    def seal(self, executed: Any) -> None:
        if executed == "torn":
            raise ValueError("no cells")
        executed["sealed"] = True


class Point:
    """An entry point."""

    value = "gone.module:Sealer"

    def __init__(self, found: type[Stamp] | None = None) -> None:
        self.found = found

    def load(self) -> type[Stamp]:
        if self.found is None:
            raise ImportError("no module named gone")
        return self.found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    monkeypatch.setattr(logging.getLogger(LOGGER), "propagate", True)
    return caplog


def points(monkeypatch: pytest.MonkeyPatch, *found: Point) -> None:
    monkeypatch.setattr(sealer, "entry_points", lambda group: found if group else ())


def test_it_is_made_of_the_notebook_and_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points(monkeypatch, Point(Stamp))
    monkeypatch.chdir(tmp_path)
    Path("n.ipynb").write_text("{}")
    made = sealer.find_sealer("a notebook", "n.ipynb")
    assert isinstance(made, Stamp)
    assert (made.nb, made.source) == ("a notebook", (tmp_path / "n.ipynb").resolve())


def test_a_notebook_of_no_file_is_not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, Point(Stamp))
    assert sealer.find_sealer("a notebook", None) is None
    assert sealer.find_sealer("a notebook", "s3://bucket/n.ipynb") is None


def test_a_sealer_that_cannot_be_imported_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    points(monkeypatch, Point())
    path = tmp_path / "n.ipynb"
    path.write_text("{}")
    assert sealer.find_sealer("a notebook", str(path)) is None
    assert "not sealed: gone.module:Sealer cannot be imported" in said.text


def test_a_seal_that_fails_loses_nothing(said: pytest.LogCaptureFixture) -> None:
    executed: dict[str, Any] = {}
    sealer.seal_executed(None, executed)
    assert executed == {}
    sealer.seal_executed(Stamp("", Path()), executed)
    assert executed == {"sealed": True}
    sealer.seal_executed(Stamp("", Path()), "torn")
    assert "the seal is not complete: ValueError: no cells" in said.text
