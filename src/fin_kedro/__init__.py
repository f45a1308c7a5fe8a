"""fin_kedro: from a notebook cell to an approved, explained credit or fraud decision."""

__version__ = "0.1.0"
