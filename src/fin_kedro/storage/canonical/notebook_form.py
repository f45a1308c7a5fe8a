"""Notebooks: what their cells say and what they put out, whenever and wherever they ran."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fin_kedro.storage.canonical.json_form import json_hash
from fin_kedro.storage.canonical.page_form import canonical_page
from fin_kedro.storage.canonical.plain import form_hash
from fin_kedro.storage.canonical.png_form import png_form

INJECTED = "injected-parameters"
OCCASION = "occasion"  # tag of a cell that shows times: what it says is no result
# What is drawn anew each time: a memory address, Ibis's name of a table, Python's of a folder.
_DRAWN = re.compile(
    r"(\bat 0x)[0-9a-fA-F]+|(\bibis_[a-z_]+_)[a-z2-7]{26}\b|(/tmp)[a-z0-9_]{8}(?=[/\s]|$)"
)


def canonical_outputs(notebook: Mapping[str, Any] | Path | str) -> dict[str, str]:
    """Hash (sha256, hex) of what each code cell put out, by cell id, in the notebook's order.

    Left out: stderr, injected parameters, times, counts, ids, memory addresses, tracebacks, and
    plain text beside a richer form. Pieces of one stream are joined; a picture is its pixels.

    Args:
        notebook: an executed notebook (nbformat 4, as a dict), or its path.
    """
    return {
        str(cell.get("id") or f"cell-{number}"): json_hash(_outputs(cell))
        for number, cell in enumerate(_cells(notebook), 1)
        if cell["cell_type"] == "code"
    }


def notebook_code_hash(notebook: Mapping[str, Any] | Path | str) -> str:
    """Hash (sha256, hex) of the sources of the code cells, without injected parameters."""
    code = (cell for cell in _cells(notebook) if cell["cell_type"] == "code")
    return json_hash([_text(cell["source"]) for cell in code])


def notebook_form(file: BinaryIO) -> str:
    """The hash of cells by kind, source and outputs; not of ids, counts and metadata."""
    return json_hash([_cell_form(cell) for cell in _cells(json.loads(file.read()))])


def _cell_form(cell: Mapping[str, Any]) -> dict[str, Any]:
    form = {"type": cell["cell_type"], "source": _text(cell["source"])}
    return {**form, "outputs": _outputs(cell)} if cell["cell_type"] == "code" else form


def _cells(notebook: Mapping[str, Any] | Path | str) -> list[Mapping[str, Any]]:
    """The author's cells: not those that papermill put in."""
    found: Any = notebook
    if isinstance(notebook, Path | str):
        found = json.loads(Path(notebook).read_text(encoding="utf-8"))
    put_in = {INJECTED, "papermill-error-cell-tag"}
    return [
        cell
        for cell in found["cells"]
        if not put_in & set(cell.get("metadata", {}).get("tags", []))
    ]


def _outputs(cell: Mapping[str, Any]) -> list[Any]:
    if OCCASION in cell.get("metadata", {}).get("tags", []):
        return []
    joined: list[list[Any]] = []
    for output in cell.get("outputs", []):
        form = _output(output)
        if form and joined and form[0] == "stdout" == joined[-1][0]:
            joined[-1][1] += form[1]
        elif form:
            joined.append(form)
    return [["stdout", _without_addresses(f[1])] if f[0] == "stdout" else f for f in joined]


def _output(output: Mapping[str, Any]) -> list[Any] | None:
    """One output as a list; None for what says nothing about a result."""
    if output["output_type"] == "stream":
        return None if output["name"] == "stderr" else [output["name"], _text(output["text"])]
    if output["output_type"] == "error":
        return ["error", output["ename"], _without_addresses(output["evalue"])]
    data = output.get("data", {})
    rich = sorted(set(data) - {"text/plain"}) or sorted(data)
    return ["display", {mime: _shown(mime, data[mime]) for mime in rich}]


def _shown(mime: str, value: Any) -> Any:
    """One form of an output; long ones as their hash."""
    if mime.endswith("json"):
        return _without_models(value)
    text = _text(value)
    if mime == "image/png":
        import base64

        return form_hash(io.BytesIO(base64.b64decode(text)), png_form)
    if mime in ("text/html", "image/svg+xml"):
        return _without_addresses(canonical_page(text))
    return _without_addresses(text)


def _without_models(value: Any) -> Any:
    """JSON without the random ids that widgets have."""
    if isinstance(value, Mapping):
        return {k: "" if k == "model_id" else _without_models(v) for k, v in value.items()}
    return [_without_models(v) for v in value] if isinstance(value, list) else value


def _text(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def _without_addresses(text: str) -> str:
    return _DRAWN.sub(lambda found: found[1] or found[2] or found[3], text)
