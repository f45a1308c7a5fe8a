"""A snapshot holds all of a store, and is restored whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.online import StoreError, open_store
from tests.features.event_streams import FEATURES, nearly_ordered

from .kinds import Shelf, report, row, shelves

shelf = shelves()


def test_snapshot_and_restore(shelf: Shelf, tmp_path: Path) -> None:
    events = nearly_ordered(8, lateness=3)
    rows = [told for kind, told in events if kind == "transaction"]
    with shelf.open(name="from") as store, shelf.open(name="to") as copy:
        store.apply(events, {("transactions", 1): 77})
        for identity in (990, "990"):  # these wait for their transactions
            store.learn(report(identity, identity, 5))
        store.snapshot(tmp_path / "state")
        copy.restore(tmp_path / "state")
        assert copy.statistics()["waiting"] == store.statistics()["waiting"] >= 2
        assert copy.offsets() == {("transactions", 1): 77}
        assert [copy.lookup(told) for told in rows] == [store.lookup(told) for told in rows]
        assert copy.apply(events[-3:], {}) == store.apply(events[-3:], {})
        for identity in (990, "990"):
            assert copy.learn(report(identity, identity, 5)) is False
            copy.score(row(identity, 4, customer_id=3, terminal_id="z"))
        asked = row("next", 6, customer_id=3, terminal_id="z")
        assert copy.lookup(asked)["frauds_now"] == 10
        with pytest.raises(StoreError, match="empty store only"):
            copy.restore(tmp_path / "state")
    assert [path.name for path in tmp_path.glob("state*")] == ["state"]


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, cut: int) -> None:
    with open_store("memory:", FEATURES) as store:
        store.score(row(1, 1))
        store.snapshot(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(data[:cut])
    with (
        open_store("memory:", FEATURES) as store,
        pytest.raises(StoreError, match="is damaged at byte"),
    ):
        store.restore(tmp_path / "state")


def test_a_snapshot_that_cannot_be_written_or_read_is_an_error(tmp_path: Path) -> None:
    with open_store("memory:", FEATURES) as store:
        with pytest.raises(StoreError, match="could not be written"):
            store.snapshot(tmp_path / "missing" / "state")
        with pytest.raises(StoreError, match="cannot be read"):
            store.restore(tmp_path / "missing")
