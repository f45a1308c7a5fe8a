"""A store for a fleet: entities as bytes in Redis, exchanged by one script, all or none.

One Redis primary holds a store (replicas and Sentinel are fine): a transaction touches keys of
several entities, so they cannot lie on different shards of a cluster. What survives a crash of
Redis itself is up to its own settings (appendonly, appendfsync).

Keys leave by themselves a while after they were last written: the longest window, the allowed
lateness, and `GRACE` for a stream that stands still. After a longer standstill fill a new store.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from fin_kedro.features.fingerprints import state_fingerprint
from fin_kedro.features.windows import DAY, EventFeatures
from fin_kedro.online.frames import Batch, Offsets, StoreError, check_fingerprint, decode
from fin_kedro.online.key_value import VERSION, Change, KeyValueStore, packed_store
from fin_kedro.online.memory_store import MemoryStore

GRACE = 7 * DAY
LOCK = 60_000  # milliseconds that a warm start may be silent before another one takes over
PART = 2_000  # keys in one message of a warm start
LOOKING, WRITING = b"0", b"1"  # how far a warm start is; both refuse everybody else
EXCHANGE = f"""
local changes = (#KEYS - 2)
if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return -1 end
for i = 1, changes do
  if redis.call('GETRANGE', KEYS[i], 0, {VERSION - 1}) ~= ARGV[2 * i] then return 0 end
end
for i = 1, changes do
  redis.call('SET', KEYS[i], ARGV[2 * i + 1], 'PX', ARGV[1])
end
for i = 2 * changes + 2, #ARGV, 2 do
  redis.call('HSET', KEYS[#KEYS - 1], ARGV[i], ARGV[i + 1])
end
return 1
"""


class RedisStore(KeyValueStore):
    """A Redis database; any number of processes may have it open.

    ``prefix`` names the store: all its keys begin with it. ``timeout``: seconds to wait for an
    answer.
    """

    def __init__(
        self,
        features: EventFeatures,
        url: str,
        *,
        prefix: str = "fin_kedro",
        timeout: float = 5.0,
        **options: Any,
    ) -> None:
        super().__init__(features, **options)
        self._where = re.sub(r"//[^@/]*@", "//", url)  # without a password
        self._prefix = prefix
        self._errors = redis.RedisError
        reach = self.plan.horizon + self.plan.lateness + GRACE
        self._milliseconds = reach // 1000
        try:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout
            )
        except ValueError as error:
            raise StoreError(f"{self._where} is no address of a Redis: {error}.") from None
        self._script = self._redis.register_script(EXCHANGE)
        self._call("set", self._key("specification"), state_fingerprint(features), nx=True)
        found = self._call("get", self._key("specification")).decode()
        check_fingerprint(self.plan, found, f"{self._where} ({prefix})")

    def offsets(self) -> dict[tuple[str, int], int]:
        """See `FeatureStore.offsets`."""
        if self._is_marked():
            raise self._unfinished()
        kept = self._call("hgetall", self._key("offsets"))
        pairs = ((name.decode().rpartition(" "), int(at)) for name, at in kept.items())
        return {(topic, int(partition)): at for (topic, _, partition), at in pairs}

    def close(self) -> None:
        """See `FeatureStore.close`."""
        self._redis.close()

    def warm_start(self, transactions: Any, labels: Any) -> int:
        """See `FeatureStore.warm_start`.

        An empty store is filled with ready-made entities, several times as fast; while they are
        written it refuses everything else. One that was broken off begins again.
        """
        if not self._is_marked() and self._is_used():
            return super().warm_start(transactions, labels)
        with self._aside() as made:
            count = made.warm_start(transactions, labels)
            if not self._fill(made):
                for records, told in made._contents():
                    self._load([tuple(decode(record)) for record in records], told)
        return count

    def _is_empty(self) -> bool:
        if self._is_marked():  # what there is was broken off, and nobody could commit since
            return not self._call("exists", self._key("offsets"))
        return not (self._is_used() or self.offsets())

    def _refill(self, batches: Iterable[Batch]) -> None:
        with self._aside() as made:
            made._refill(batches)
            if not self._fill(made):
                raise StoreError(
                    f"{self._where} ({self._prefix}) got events meanwhile; a snapshot can be "
                    "restored into an empty store only. End what writes to it, and open a new one."
                )

    def _aside(self) -> MemoryStore:
        """Return an empty store of this process in which entities are made ready."""
        return MemoryStore(self.features, lateness_us=self.plan.lateness, ahead_us=self.ahead_us)

    def _is_marked(self) -> bool:
        """Whether it is being filled with ready-made entities, or that was broken off."""
        return bool(self._call("exists", self._key("filling")))

    def _is_used(self) -> bool:
        return next(self._slots(), None) is not None

    def _fill(self, made: MemoryStore) -> bool:
        """Write all of a store into this one while nobody else can; False: there is something.

        Making it took minutes, in which others may have committed events: whether this store is
        empty is looked at only when they no longer can. A process that ends in between leaves a
        mark that says so, and the next one looks again.
        """
        lock, filling, token = self._key("filler"), self._key("filling"), uuid.uuid4().hex
        if not self._call("set", lock, token, nx=True, px=LOCK):
            raise StoreError(
                f"another process fills {self._where} ({self._prefix}); wait until it has, or "
                f"{LOCK // 1000} s if it was ended."
            )
        if self._call("get", filling) != WRITING:
            self._call("set", filling, LOOKING)
            if self._is_used():
                self._call("delete", filling, lock)
                return False
            self._call("set", filling, WRITING)
        self._delete(kept={"specification", "offsets", "filler", "filling"})
        pairs = packed_store(made)
        while part := dict(islice(pairs, PART)):
            self._keep_others_out(lock, token)
            self._write({self._key(name): value for name, value in part.items()})
        self._keep_others_out(lock, token)
        self._finish(made.offsets(), filling, lock)
        return True

    def _keep_others_out(self, lock: str, token: str) -> None:
        holder = self._call("get", lock)
        if holder is not None and holder.decode() != token:
            raise StoreError(
                f"another process took over filling {self._where} ({self._prefix}), as nothing was "
                f"heard of this one for {LOCK // 1000} s; let it end."
            )
        self._call("set", lock, token, px=LOCK)

    def _finish(self, offsets: Offsets, *gone: str) -> None:
        """Let others in again, and say where the stream goes on, in one step."""
        pipe = self._redis.pipeline(transaction=True)
        for (topic, partition), at in offsets.items():
            pipe.hset(self._key("offsets"), f"{topic} {partition}", at)
        pipe.delete(*gone)
        self._execute(pipe)

    def _delete(self, *, kept: set[str]) -> None:
        for keys in self._scan(""):
            if gone := [key for key in keys if key.decode() not in map(self._key, kept)]:
                self._call("delete", *gone)

    def erase(self) -> None:
        """Delete every key of this store; for stores that were filled for a comparison only."""
        cursor = 0
        while True:
            cursor, keys = self._call("scan", cursor, match=_escaped(self._key("")), count=1000)
            if keys:
                self._call("unlink", *keys)
            if cursor == 0:
                return

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        *values, filling = self._call("mget", [self._key(key) for key in (*keys, "filling")])
        if filling is not None:
            raise self._unfinished()
        return values

    def _unfinished(self) -> StoreError:
        return StoreError(
            f"{self._where} ({self._prefix}) is being filled from history or from a snapshot, or "
            "that was broken off; wait, or run the warm start or the restore again."
        )

    def _exchange(self, changes: Sequence[Change], offsets: Offsets) -> bool:
        keys = [self._key(change.key) for change in changes]
        keys += [self._key("offsets"), self._key("filling")]
        arguments: list[Any] = [self._milliseconds]
        for change in changes:
            arguments += (change.version, change.value)
        for (topic, partition), at in offsets.items():
            arguments += (f"{topic} {partition}", at)
        try:
            done = self._script(keys=keys, args=arguments)
        except self._errors as error:
            raise self._failed(error) from error
        if done < 0:
            raise self._unfinished()
        return bool(done)

    def _slots(self) -> Iterator[tuple[str, bytes]]:
        seen: set[bytes] = set()  # a scan may name a key twice
        for keys in self._scan("x:"):
            new = [key for key in dict.fromkeys(keys) if key not in seen]
            seen.update(new)
            for key, data in zip(new, self._call("mget", new) if new else (), strict=True):
                if data is not None:  # else it left in between
                    yield key.decode().removeprefix(self._key("")), data

    def _scan(self, start: str) -> Iterator[list[bytes]]:
        """Return the keys of this store that begin with `start`."""
        cursor = None
        while cursor != 0:
            cursor, keys = self._call(
                "scan", cursor or 0, match=_escaped(self._key(start)), count=1000
            )
            yield keys

    def _write(self, values: dict[str, bytes]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for key, value in values.items():
            pipe.set(key, value, px=self._milliseconds)
        self._execute(pipe)

    def _execute(self, pipe: Any) -> None:
        try:
            pipe.execute()
        except self._errors as error:
            raise self._failed(error) from error

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._redis, name)(*arguments, **options)
        except self._errors as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(
            f"Redis at {self._where} did not do what was asked: {error}. Check that it runs and "
            "can be reached, then send the events again; what was counted does not count twice."
        )


def _escaped(start: str) -> str:
    """A pattern of all keys that begin with `start`."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", start) + "*"
