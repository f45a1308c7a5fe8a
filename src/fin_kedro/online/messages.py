"""From the bytes of one message to an event that follows its contract, or the reason why not."""

from __future__ import annotations

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
    """Reads the JSON messages of one topic: each is an event of one ``kind``."""

    kind: str
    contract: Contract

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
        return row


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
