"""From the bytes of one message to an event that follows its contract, or the reason why not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from fin_kedro.contracts.model import Contract

_INT64 = 2**63
_SHOWN = 200


class BrokenMessageError(ValueError):
    """A message that does not follow its contract; the text is the reason in its dead letter."""


@dataclass(frozen=True, kw_only=True)
class MessageReader:
    """Reads the JSON messages of one topic.

    ``known`` names the column with the time known, ``event`` the one with the event's own time
    (None for labels), both in microseconds. ``ahead_us`` is how far a time known may lie ahead of
    the clock (None: any): state forgets what is older than its horizon, so that a single message
    from the year 2300 would make it forget everything.
    """

    kind: str
    contract: Contract
    known: str
    event: str | None = None
    ahead_us: int | None = None
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000

    def read(self, message: bytes | None) -> dict[str, Any]:
        """Return the contract's columns of one message; further members are left out.

        Raises:
            BrokenMessageError: it is no JSON object, or breaks the contract; says how.
        """
        found = _decoded(message)
        row = {}
        for name, column in self.contract.columns.items():
            value = found.get(name)
            problem = column.problem(value)
            if problem is None and isinstance(value, int) and not -_INT64 <= value < _INT64:
                problem = "an integer of more than 63 bits"
            if problem is not None:
                raise BrokenMessageError(_sentence(name, problem, column.allowed_text()))
            row[name] = value
        self._check_times(row)
        return row

    def _check_times(self, row: dict[str, Any]) -> None:
        known = row[self.known]
        if self.event is not None and known < row[self.event]:
            raise BrokenMessageError(
                f"{self.known} {known} lies before {self.event} {row[self.event]}: "
                "nothing is known before it happens."
            )
        if self.ahead_us is not None and known > self.now_us() + self.ahead_us:
            raise BrokenMessageError(
                f"{self.known} {known} lies more than {self.ahead_us / 1e6:.0f} s ahead of the "
                "clock (ahead_seconds in the stream's parameters)."
            )


def _decoded(message: bytes | None) -> dict[str, Any]:
    if not message:
        raise BrokenMessageError("the message is empty; one JSON object is expected.")
    try:
        found = msgspec.json.decode(message)
    except (ValueError, RecursionError) as error:
        raise BrokenMessageError(f"the message is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise BrokenMessageError(
            f"the message is a JSON {type(found).__name__}; one JSON object is expected."
        )
    return found


def _sentence(name: str, problem: str, allowed: str) -> str:
    text = problem if name in problem else f"{name}: {problem}"
    return f"{text[:_SHOWN]}; allowed: {allowed}."
