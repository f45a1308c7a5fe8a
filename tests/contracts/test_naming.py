"""Objects named in configuration: found, or refused with the setting's name and an example."""

from __future__ import annotations

import pytest

from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.naming import named_object
from fin_kedro.features.expressions import Definitions

EXAMPLE = "fin_kedro.features.credit:credit_features"


def test_the_object_is_imported() -> None:
    assert isinstance(named_object(EXAMPLE, Definitions, setting="s", example=EXAMPLE), Definitions)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("fin_kedro.nothing:here", "cannot be imported .*e.g. 'fin_kedro.features.credit"),
        ("fin_kedro.features.credit:nothing", "cannot be imported"),
        ("", "cannot be imported"),
        ("fin_kedro.features.expressions:ratio", "is no Definitions object"),
    ],
)
def test_anything_else_is_refused(path: str, said: str) -> None:
    with pytest.raises(ContractError, match=f"features.definitions .*{said}"):
        named_object(path, Definitions, setting="features.definitions", example=EXAMPLE)
