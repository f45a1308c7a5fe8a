"""The completion mark of a validation notebook: its verdicts as an output of our own MIME type.

A notebook that ends early leaves no mark, so an absent mark is an error and never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fin_kedro.checks.verdict import Verdict, from_records, to_records

MIME = "application/vnd.fin-kedro.verdicts+json"
RECORD_VERSION = 1


class RecordError(ValueError):
    """The notebook's completion mark is missing, doubled, misplaced or malformed."""


def record_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Show `verdicts` as the completion mark; call it last in the last cell of the notebook."""
    from IPython.display import publish_display_data

    records = to_records(verdicts)
    words = f"{len(records)} verdicts recorded."
    publish_display_data(
        {MIME: {"version": RECORD_VERSION, "verdicts": records}, "text/plain": words}
    )


def read_record(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdicts recorded by the last code cell of an executed notebook (nbformat 4 dict).

    Raises RecordError when there is not exactly one mark, when it stands in another cell, or when
    it holds no verdicts or malformed ones.
    """
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    marks = [(index, mark) for index, cell in enumerate(code) for mark in _marks(cell)]
    if not marks:
        raise RecordError(
            "the notebook ended without recording its verdicts; "
            "its last cell must call record_verdicts, and nothing may stop it earlier."
        )
    if len(marks) > 1 or marks[0][0] != len(code) - 1:
        cells = [index for index, _ in marks]
        raise RecordError(
            f"verdicts were recorded in code cells {cells} of {len(code)}; "
            "call record_verdicts once, in the last cell."
        )
    return _verdicts(marks[0][1])


def _marks(cell: Mapping[str, Any]) -> list[Any]:
    """The completion marks among a cell's outputs."""
    return [out["data"][MIME] for out in cell.get("outputs", []) if MIME in out.get("data", {})]


def _verdicts(mark: Any) -> list[dict[str, Any]]:
    """The verdicts of one mark, checked field by field."""
    if not isinstance(mark, dict) or mark.get("version") != RECORD_VERSION:
        raise RecordError(f"the record is not of version {RECORD_VERSION}; run the notebook again.")
    try:
        verdicts = from_records(mark.get("verdicts", []))
    except (TypeError, ValueError) as error:
        raise RecordError(f"the record holds a malformed verdict: {error}") from error
    if not verdicts:
        raise RecordError(
            "the record holds no verdicts; a report that checks nothing is no report."
        )
    return to_records(verdicts)
