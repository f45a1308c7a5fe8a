"""The hash of a file's content: its suffix says which form it is brought into."""

from __future__ import annotations

import io
from pathlib import Path

from fin_kedro.storage.canonical.catboost_form import catboost_form
from fin_kedro.storage.canonical.csv_form import csv_form
from fin_kedro.storage.canonical.json_form import json_form, json_lines_form
from fin_kedro.storage.canonical.notebook_form import notebook_form
from fin_kedro.storage.canonical.onnx_form import onnx_form
from fin_kedro.storage.canonical.page_form import page_form
from fin_kedro.storage.canonical.parquet_form import parquet_form
from fin_kedro.storage.canonical.plain import Form, folder_hash, form_hash
from fin_kedro.storage.canonical.png_form import png_form

_FORMS: dict[str, Form] = {
    ".json": json_form,
    ".jsonl": json_lines_form,
    ".csv": csv_form,
    ".parquet": parquet_form,
    ".cbm": catboost_form,
    ".onnx": onnx_form,
    ".png": png_form,
    ".svg": page_form,
    ".html": page_form,
    ".ipynb": notebook_form,
}


def content_hash(source: Path | str | bytes, kind: str | None = None) -> str:
    """Hash (sha256, hex) of the canonical form of a file, of a folder's files, or of bytes.

    Args:
        source: a path, or the bytes themselves.
        kind: suffix that says what it is, such as ``.onnx``; a path's own suffix by default.

    A kind without a canonical form, and content that is not what its suffix says, is hashed as it
    is. Raises FileNotFoundError for a path that is not there, NotRecomputable where a library that
    the form needs (pyarrow for Parquet) is not installed.
    """
    if isinstance(source, bytes):
        return form_hash(io.BytesIO(source), _form(kind or ""))
    path = Path(source)
    if path.is_dir():
        return folder_hash(path, content_hash)
    with path.open("rb") as file:
        return form_hash(file, _form(kind or path.suffix))


def _form(kind: str) -> Form | None:
    return _FORMS.get(kind.lower())
