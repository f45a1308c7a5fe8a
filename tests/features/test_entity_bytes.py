"""The bytes of an entity: what another form wrote is refused."""

from __future__ import annotations

import pytest

from fin_kedro.features.entity_bytes import pack_entity, unpack_entity

from .event_streams import busy_entity


def test_bytes_of_another_form_are_refused() -> None:
    plan, entity = busy_entity(transactions=3)
    data = b"\x07" + pack_entity(entity)[1:]
    with pytest.raises(ValueError, match="form 7.*reads.*warm start"):
        unpack_entity(plan.keys[0], data)
