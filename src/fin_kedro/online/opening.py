"""Opens a store by its address; what a kind of store needs is imported when one is asked for."""

from __future__ import annotations

from typing import Any

from fin_kedro.features.windows import EventFeatures
from fin_kedro.online.frames import StoreError
from fin_kedro.online.memory_store import MemoryStore
from fin_kedro.online.store import FeatureStore


def open_store(url: str, features: EventFeatures, **options: Any) -> FeatureStore:
    """Return the store at `url`: "memory:", "log:FOLDER" or "redis://HOST:PORT/DB".

    ``options`` are those of the store: ``lateness_us`` and ``ahead_us`` for all of them, ``sync``
    and ``segment_bytes`` for a log, ``prefix`` for Redis.
    """
    kind, _, rest = url.partition(":")
    if kind == "memory":
        return MemoryStore(features, **options)
    if kind == "log":
        from fin_kedro.online.log_store import LogStore

        return LogStore(features, rest, **options)
    if kind in ("redis", "rediss", "unix"):
        from fin_kedro.online.redis_store import RedisStore

        return RedisStore(features, url, **options)
    raise StoreError(
        f"store {url!r} is of no known kind; write memory:, log:FOLDER or redis://HOST:PORT/DB."
    )
