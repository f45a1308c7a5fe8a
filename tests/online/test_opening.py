"""A store is opened by its address."""

from __future__ import annotations

import pytest

from fin_kedro.online import StoreError, open_store
from tests.features.event_streams import FEATURES


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(StoreError, match="write memory:, log:FOLDER or redis"):
        open_store("mysql://somewhere", FEATURES)
