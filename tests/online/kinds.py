"""Every kind of feature store, opened for a test and emptied after it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.features.windows import EventFeatures
from fin_kedro.online import FeatureStore, open_store
from tests.features.event_streams import FEATURES
from tests.needs import redis_url

KINDS = ("memory", "log", "redis")
LONG = 1_000_000  # microseconds: no test's stream is that long, so nothing is forgotten


class Shelf:
    """Places for stores of one kind: `open` opens the same one again, or another by its name."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.prefix = f"fin-kedro-test-{uuid.uuid4().hex}"
        self.url = redis_url() if kind == "redis" else ""
        self.names: set[str] = set()

    def open(
        self, features: EventFeatures = FEATURES, *, name: str = "one", **options: Any
    ) -> FeatureStore:
        """Open a store; nothing is forgotten and no clock looked at unless options say so."""
        options = {"lateness_us": LONG, "ahead_us": None} | options
        if self.kind == "memory":
            return open_store("memory:", features, **options)
        if self.kind == "log":
            return open_store(f"log:{self.folder / name}", features, **options)
        self.names.add(name)
        return open_store(self.url, features, prefix=f"{self.prefix}-{name}", **options)

    def clear(self) -> None:
        """Delete what was written to Redis, and only that."""
        if self.kind == "redis":
            import redis

            client = redis.Redis.from_url(self.url)
            for name in self.names:
                for key in client.scan_iter(match=f"{self.prefix}-{name}:*", count=1000):
                    client.delete(key)


def shelves(kinds: tuple[str, ...] = KINDS) -> Callable[..., Any]:
    """Return a fixture that gives a `Shelf` of each kind."""

    @pytest.fixture(params=kinds)
    def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
        shelf = Shelf(request.param, tmp_path)
        yield shelf
        shelf.clear()

    return shelf


def row(identity: Any, moment: int, **more: Any) -> Mapping[str, Any]:
    """A transaction at a moment: customer 1, terminal "a", 5 cents unless said otherwise."""
    base = {"transaction_id": identity, "event_us": moment, "known_us": moment, "customer_id": 1}
    return base | {"terminal_id": "a", "amount_cents": 5} | more


def report(identity: Any, transaction: Any, moment: int, fraud: int = 1) -> Mapping[str, Any]:
    """A label."""
    names = ("label_id", "transaction_id", "known_us", "fraud")
    return dict(zip(names, (identity, transaction, moment, fraud), strict=True))
