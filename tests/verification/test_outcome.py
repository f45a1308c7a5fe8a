"""What a verification found, in words."""

from __future__ import annotations

from fin_kedro.verification.comparison import Comparison, Output
from fin_kedro.verification.outcome import first_words


def test_the_first_departure_in_words() -> None:
    output = Output(step="fit", name="model", grade="D", note="was not made this time")
    assert first_words(output) == "fit, model: was not made this time"
    assert first_words(Output(step="cell 2 (#c)", name="output", grade="D")) == "cell 2 (#c)"
    assert first_words(Comparison(outputs=()).first) == ""
