"""By what a consumer recognises a topic: a mark of the last message applied, beside its offset.

An offset alone says nothing about a topic that was deleted and made anew: as soon as that is as
long, the stream would go on in the middle of it. So with each offset the store keeps a mark of the
message before it. It stands among the offsets, under a partition that no topic has.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME

Place = tuple[str, int]  # topic and partition


def mark_place(place: Place) -> Place:
    """Return under what the mark of a partition is kept: -1 for partition 0, and so on."""
    topic, partition = place
    return topic, -1 - partition


def only_offsets(kept: Mapping[Place, int]) -> dict[Place, int]:
    """Return what a store keeps without the marks."""
    return {place: at for place, at in kept.items() if place[1] >= 0}


def mark(message: Any) -> int:
    """Return a number that two messages share only by chance, one in 2**56.

    A time that the broker gave is left out: a mirror of the topic may give another.
    """
    kind, moment = message.timestamp()
    told = (message.key(), message.value(), moment if kind == TIMESTAMP_CREATE_TIME else None)
    return int.from_bytes(blake2b(repr(told).encode(), digest_size=7).digest(), "big")
