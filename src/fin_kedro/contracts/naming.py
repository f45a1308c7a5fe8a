"""Objects that configuration names by a dotted path."""

from __future__ import annotations

import importlib
from typing import TypeVar

from fin_kedro.contracts.model import ContractError

Kind = TypeVar("Kind")


def named_object(path: str, kind: type[Kind], *, setting: str, example: str) -> Kind:
    """Import the object that ``path`` ("package.module:name") names.

    Args:
        path: what stands in the configuration.
        kind: the class the object must have.
        setting: the setting's name, for the error.
        example: a path that works, for the error.

    Raises:
        ContractError: it cannot be imported, or is of another kind.
    """
    module, _, name = str(path).partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ContractError(
            f"{setting} is {path!r}, which cannot be imported ({error}); write "
            f"'package.module:name', e.g. {example!r}."
        ) from error
    if not isinstance(found, kind):
        raise ContractError(f"{setting} {path!r} is no {kind.__name__} object.")
    return found
