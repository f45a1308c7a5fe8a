"""Python's garbage collector, spared a million objects that stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

MANY = 50_000  # objects for which the garbage collector is told that they stay


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Spare the garbage collector a million objects that all stay, now and later.

    Python looks through all objects now and then; with a million entities that is a pause of some
    tenths of a second in the middle of a transaction. Frozen ones are not looked at again.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY:  # objects made meanwhile
            gc.collect()
            gc.freeze()
        if was:
            gc.enable()
