"""What a decision is called, and how it is described."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.serving.answers import Words, decision_model

FRAUD = Words(row="transaction", rows="transactions", bad="fraud", accept="allow", refuse="block")


@pytest.mark.parametrize(("refuse", "refused"), [("decline", "declined"), ("block", "blocked")])
def test_the_past_of_a_refusal(refuse: str, refused: str) -> None:
    assert Words(refuse=refuse).refused == refused


def properties(words: Words, **options: Any) -> dict[str, Any]:
    return decision_model(words, **options).model_json_schema()["properties"]


def test_an_application_brings_a_reference_or_none() -> None:
    found = properties(Words())
    assert list(found) == ["id", "probability", "decision", "threshold", "reasons", "model"]
    assert found["decision"]["enum"] == ["approve", "decline"]
    assert found["threshold"]["description"] == "declined at or above this probability"


def test_a_transaction_has_an_id_of_its_own_and_more() -> None:
    found = properties(FRAUD, reference="transaction_id", history=(dict[str, int] | None, None))
    assert next(iter(found)) == "transaction_id"
    assert list(found)[-1] == "history"
    assert found["decision"]["enum"] == ["allow", "block"]
    assert found["probability"]["description"] == "probability of fraud"
