"""The commands beside Kedro's own, one module a group of verbs."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`cli`, which Kedro asks for: made when asked, so that one group alone starts quickly."""
    if name != "cli":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fin_kedro.cli.commands import cli

    return cli
