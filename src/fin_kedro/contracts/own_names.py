"""Names of our own beside the names of a contract: one gives way where both are the same.

Engines compare names of columns without regard to case, so the comparison here does, too.
"""

from __future__ import annotations

from collections.abc import Iterable

RESERVED = "fin_kedro__"  # no column of a contract begins so
MODEL_TABLE = ("entity_id", "target", "part", "time", "row_order")  # beside the features
_PARTS = ("feature__", "protected__", "keep__")  # what begins so comes from the contract
GRAPH_OUTPUTS = ("probability", "contributions")
_INPUT = "/column/"


def own_name(wanted: str, taken: Iterable[str]) -> str:
    """Return a name for a column of ours in a table of raw columns.

    It is the one ``wanted``, with the reserved prefix where a raw column is called so.
    """
    names = {name.casefold() for name in taken}
    return f"{RESERVED}{wanted}" if wanted.casefold() in names else wanted


def feature_column(name: str) -> str:
    """Return the column of a feature in the model table and the table of contributions.

    It is the feature's name, with a prefix where the table has such a column of its own.
    """
    plain = name.casefold()
    return f"feature__{name}" if plain in MODEL_TABLE or plain.startswith(_PARTS) else name


def graph_input(column: str) -> str:
    """Return the name of a column as an input of a graph, whose other tensors have names, too."""
    return f"{_INPUT}{column}" if column in GRAPH_OUTPUTS or column.startswith("/") else column


def graph_column(name: str) -> str:
    """Return the column of a graph's input: the inverse of `graph_input`."""
    return name.removeprefix(_INPUT)
