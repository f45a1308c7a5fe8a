"""A message is taken as the contract has it, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fin_kedro.online.messages import BrokenMessageError, MessageReader
from tests.online.stream import START, contracts

TRANSACTION: dict[str, Any] = {
    "transaction_id": 7,
    "event_us": START,
    "known_us": START + 5,
    "customer_id": 1,
    "terminal_id": 2,
    "amount_cents": 4200,
    "place_x": 0,
    "place_y": 100_000,
}
LABEL: dict[str, Any] = {"label_id": 1, "transaction_id": 7, "fraud": 1, "known_us": START + 9}

transactions = MessageReader(kind="transaction", contract=contracts()["transactions"])
labels = MessageReader(kind="label", contract=contracts()["labels"])


def message(row: dict[str, Any], **changes: Any) -> bytes:
    changed = {name: value for name, value in {**row, **changes}.items() if value is not ...}
    return json.dumps(changed).encode()


def refusal(data: bytes | None, reader: MessageReader = transactions) -> str:
    with pytest.raises(BrokenMessageError) as refused:
        reader.read(data)
    return str(refused.value)


def test_a_good_message_comes_as_the_contract_has_it() -> None:
    assert transactions.read(message(TRANSACTION)) == TRANSACTION
    assert list(transactions.read(message(TRANSACTION))) == list(transactions.contract.columns)


def test_what_may_be_missing_is_none() -> None:
    assert labels.read(message(LABEL)) == {**LABEL, "fraud_type": None}


def test_members_that_the_contract_does_not_know_are_left_out() -> None:
    assert transactions.read(message(TRANSACTION, card_colour="red")) == TRANSACTION


@pytest.mark.parametrize("data", [None, b""])
def test_an_empty_message(data: bytes | None) -> None:
    assert "empty" in refusal(data)


@pytest.mark.parametrize(
    "data", [b"{", b"NaN", b"\xff\xfe", b'{"a": "\xff"}', b'{"a": 1} x', b"[" * 100_000]
)
def test_what_is_not_json(data: bytes) -> None:
    assert "not JSON" in refusal(data)


@pytest.mark.parametrize("data", [b"1", b"[1]", b"null", b'"text"'])
def test_json_that_is_no_object(data: bytes) -> None:
    assert "one JSON object is expected" in refusal(data)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer_id": ...}, "customer_id is required"),
        ({"customer_id": None}, "customer_id is required"),
        ({"customer_id": "1"}, "customer_id: '1' is not of type integer"),
        ({"customer_id": True}, "customer_id: True is not of type integer"),
        ({"amount_cents": 42.0}, "must be written as an integer"),
        ({"amount_cents": -1}, "amount_cents: -1 is below 0; allowed: 0 to 100000000 [cents]"),
        ({"place_x": 100_001}, "place_x: 100001 is above 100000"),
        ({"customer_id": 2**63}, "customer_id: an integer of more than 63 bits"),
        ({"event_us": START // 1000, "known_us": START // 1000}, "is below"),
    ],
)
def test_what_breaks_the_contract(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(message(TRANSACTION, **changes))


def test_a_label_of_another_kind_than_0_or_1() -> None:
    assert "2 is not an allowed value" in refusal(message(LABEL, fraud=2), labels)


def test_the_reason_stays_short_whatever_was_sent() -> None:
    assert len(refusal(message(TRANSACTION, customer_id="9" * 1_000_000))) < 500
