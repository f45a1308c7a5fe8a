"""Canonical forms: accidents of writing change no hash, a change of content always does."""

from __future__ import annotations

import base64
import copy
import csv
import datetime as dt
import io
import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fin_kedro.storage import canonical
from fin_kedro.storage.canonical import (
    canonical_json,
    canonical_outputs,
    content_hash,
    file_hash,
    json_hash,
    notebook_code_hash,
)

NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
JSONS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def shuffled(content: Any, seed: int) -> Any:
    """The same content with the keys of every object in another order."""
    if isinstance(content, dict):
        keys = list(content)
        random.Random(seed).shuffle(keys)
        return {key: shuffled(content[key], seed + 1) for key in keys}
    return [shuffled(v, seed + 1) for v in content] if isinstance(content, list) else content


# JSON


@given(JSONS, st.integers(0, 99))
def test_equal_json_is_equal_text_whatever_the_order_of_its_keys(content: Any, seed: int) -> None:
    assert canonical_json(shuffled(content, seed)) == canonical_json(content)


@given(JSONS)
def test_canonical_json_reads_back_as_it_was(content: Any) -> None:
    text = canonical_json(content)
    assert text.isascii() and canonical_json(json.loads(text)) == text
    assert json.loads(text) == content


@given(st.lists(JSONS, min_size=1), st.data())
def test_one_changed_value_changes_the_hash(content: list[Any], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    other = [*content[:place], {"changed": content[place]}, *content[place + 1 :]]
    assert json_hash(other) != json_hash(content)


@given(JSONS, st.integers(0, 99), st.sampled_from([None, 1, "\t"]))
def test_a_json_file_is_its_content(content: Any, seed: int, indent: Any) -> None:
    one = json.dumps(content).encode()
    two = json.dumps(shuffled(content, seed), indent=indent, ensure_ascii=False)
    assert content_hash(one, ".json") == content_hash(two.encode("utf-8", "surrogatepass"), ".json")


def test_a_catboost_model_as_json_has_no_id_and_no_time() -> None:
    def model(guid: str, time: str, leaf: float) -> bytes:
        info = {"model_guid": guid, "train_finish_time": time, "params": {}}
        return json.dumps({"model_info": info, "leaf_values": [leaf]}).encode()

    one = content_hash(model("a-b-c-d", "2026-11-22T03:34:13Z", 0.5), ".json")
    assert content_hash(model("e-f-0-1", "2026-11-23T04:00:00Z", 0.5), ".json") == one
    assert content_hash(model("a-b-c-d", "2026-11-22T03:34:13Z", 0.6), ".json") != one


def test_what_is_not_what_its_suffix_says_is_hashed_as_it_is() -> None:
    for kind in (".json", ".parquet", ".png", ".onnx", ".cbm", ".ipynb"):
        assert content_hash(b"\xff\xfe nothing", kind) == content_hash(b"\xff\xfe nothing")


def test_json_lines_are_hashed_line_by_line() -> None:
    one = b'{"a": 1, "b": 2}\n{"a": 3}\n'
    assert content_hash(b'{"b":2,"a":1}\n\n{"a":3}', ".jsonl") == content_hash(one, ".jsonl")
    assert content_hash(b'{"a":3}\n{"b":2,"a":1}', ".jsonl") != content_hash(one, ".jsonl")


# CSV

CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=8)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=6)


def written_csv(rows: list[list[str]], **how: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **how).writerows(rows)
    return text.getvalue().encode()


@given(ROWS)
def test_quotes_and_line_ends_of_a_csv_do_not_count(rows: list[list[str]]) -> None:
    plain = content_hash(written_csv(rows, lineterminator="\n"), ".csv")
    quoted = written_csv(rows, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    assert content_hash(quoted, ".csv") == plain
    assert content_hash(b"\xef\xbb\xbf" + quoted.removesuffix(b"\r\n"), ".csv") == plain


@given(ROWS, st.data())
def test_one_changed_cell_of_a_csv_counts(rows: list[list[str]], data: st.DataObject) -> None:
    other = copy.deepcopy(rows)
    row = data.draw(st.integers(0, len(rows) - 1))
    other[row][0] += "x"
    assert content_hash(written_csv(other), ".csv") != content_hash(written_csv(rows), ".csv")


def test_a_csv_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"a,b\r\n1,2\r\n3,4\r\n"
    whole = content_hash(data, ".csv")
    assert (
        whole == content_hash(data.replace(b"\r", b""), ".csv") == content_hash(data[:-2], ".csv")
    )
    for size in range(1, 8):
        monkeypatch.setattr(canonical, "CHUNK", size)
        assert content_hash(data, ".csv") == whole


# Parquet

TABLE = pd.DataFrame(
    {
        "id": range(500),
        "amount": np.linspace(0, 1, 500),
        "name": [None if i % 7 == 0 else f"n{i}" for i in range(500)],
        "paid": [i % 3 == 0 for i in range(500)],
        "at": pd.date_range("2026-01-01", periods=500, freq="h"),
        "few": [None if i % 5 == 0 else float(i) for i in range(500)],
        "tags": [[i, i + 1] for i in range(500)],
    }
)


def parquet(table: pa.Table, **how: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "how",
    [
        {"row_group_size": 37},
        {"compression": "zstd"},
        {"use_dictionary": False},
        {"version": "1.0", "store_schema": False, "row_group_size": 100},
        {"write_statistics": False, "data_page_size": 100},
    ],
    ids=str,
)
def test_how_parquet_is_written_does_not_count(how: dict[str, Any]) -> None:
    table = pa.Table.from_pandas(TABLE.drop(columns="at"))
    assert content_hash(parquet(table, **how), ".parquet") == content_hash(
        parquet(table), ".parquet"
    )


def test_metadata_and_wide_or_dictionary_texts_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = pa.Table.from_pandas(TABLE)
    one = content_hash(parquet(table), ".parquet")
    plain = table.replace_schema_metadata({})
    wide = plain.set_column(2, "name", plain["name"].cast(pa.large_string()))
    coded = plain.set_column(2, "name", plain["name"].cast(pa.string()).dictionary_encode())
    assert {content_hash(parquet(t), ".parquet") for t in (plain, wide, coded)} == {one}
    monkeypatch.setattr(canonical, "BATCH", 13)
    assert content_hash(parquet(table), ".parquet") == one


def other(column: str, row: int, value: Any) -> pd.DataFrame:
    table = TABLE.copy()
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    "changed",
    [
        other("amount", 250, np.nextafter(TABLE.amount[250], 2)),
        other("name", 1, "n2"),
        other("name", 7, ""),
        other("few", 0, 0.0),
        other("paid", 0, False),
        other("at", 3, pd.Timestamp("2026-01-01")),
        TABLE[::-1],
        TABLE[:-1],
        TABLE.rename(columns={"id": "ID"}),
        TABLE.astype({"id": "int32"}),
        TABLE[["amount", "id", *TABLE.columns[2:]]],
    ],
    ids=["last bit", "text", "empty for missing", "0 for missing", "flag", "time", "order",
         "a row less", "a name", "a type", "order of columns"],
)  # fmt: skip
def test_a_change_of_a_table_counts(changed: pd.DataFrame) -> None:
    one, two = (
        content_hash(parquet(pa.Table.from_pandas(t, preserve_index=False)), ".parquet")
        for t in (TABLE, changed)
    )
    assert one != two


def test_texts_that_run_into_each_other_differ() -> None:
    one, two = (parquet(pa.table({"a": values})) for values in (["ab", "c"], ["a", "bc"]))
    assert content_hash(one, ".parquet") != content_hash(two, ".parquet")


# Models


def flat_string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "little") + text + b"\0" * (4 - len(text) % 4)


def cbm(guid: bytes, time: bytes, leaf: float) -> bytes:
    strings = flat_string(b"model_guid") + flat_string(guid) + flat_string(time)
    return b"CBM1\x10\0\0\0" + strings + struct.pack("<d", leaf)


def test_a_catboost_file_has_no_id_and_no_time() -> None:
    one = content_hash(cbm(b"1a2b3c4d-0-0-ffff", b"2026-11-22T03:34:13Z", 0.5), ".cbm")
    two = content_hash(cbm(b"9a2b3c4d-1-2-eeee", b"2026-11-23T04:00:00Z", 0.5), ".cbm")
    assert one == two != content_hash(cbm(b"1a2b3c4d-0-0-ffff", b"2026-11-22T03:34:13Z", 0.6))


def test_two_fits_of_catboost_have_one_hash_in_each_format(tmp_path: Path) -> None:
    from catboost import CatBoostClassifier

    rows = np.random.default_rng(0).normal(size=(200, 3))

    def fitted(name: str, depth: int) -> list[str]:
        settings = {"iterations": 3, "depth": depth, "thread_count": 1, "verbose": 0}
        model = CatBoostClassifier(**settings, allow_writing_files=False)
        model.fit(rows, (rows[:, 0] > 0).astype(int))
        paths = [tmp_path / f"{name}{suffix}" for suffix in (".cbm", ".json", ".onnx")]
        for path in paths:
            model.save_model(str(path), format=path.suffix[1:])
        return [content_hash(path) for path in paths]

    one, two, deeper = fitted("one", 2), fitted("two", 2), fitted("deeper", 3)
    assert one == two
    assert not set(one) & set(deeper)
    assert file_hash(tmp_path / "one.cbm") != file_hash(tmp_path / "two.cbm")


def graph(weight: float, *, name: str = "g", producer: str = "a", date: str = "1") -> bytes:
    from onnx import TensorProto, helper

    node = helper.make_node("Add", ["x", "w"], ["y"])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("x", "y")]
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [weight])
    made = helper.make_graph([node], name, ends[:1], ends[1:], [tensor], doc_string=date)
    model = helper.make_model(made, producer_name=producer, producer_version=date)
    helper.set_model_props(model, {"date": date, "threshold": "0.5"})
    return bytes(model.SerializeToString())


def test_an_onnx_graph_is_what_it_computes() -> None:
    one = content_hash(graph(1.5), ".onnx")
    assert content_hash(graph(1.5, name="9f3b", producer="b", date="2"), ".onnx") == one
    assert content_hash(graph(1.5000001), ".onnx") != one
    assert content_hash(graph(1.5).replace(b"0.5", b"0.6"), ".onnx") != one


def test_the_order_of_an_onnx_models_properties_does_not_count() -> None:
    import onnx

    model = onnx.load_from_string(graph(1.0))
    entries = [(p.key, p.value) for p in model.metadata_props]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(reversed(entries)))
    assert content_hash(model.SerializeToString(), ".onnx") == content_hash(graph(1.0), ".onnx")


# Pictures


def png(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **how)
    return buffer.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, size=(23, 31, 4), dtype=np.uint8)


def picture(mode: str) -> Image.Image:
    image = Image.fromarray(PIXELS).convert("RGBA")
    return image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else (
        image.convert(mode)
    )  # fmt: skip


def test_a_picture_is_its_pixels() -> None:
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Software", "another version")
    one = content_hash(png(picture("RGBA")), ".png")
    again = png(picture("RGBA"), compress_level=1, pnginfo=note, dpi=(90, 90))
    assert content_hash(again, ".png") == one
    pixels = PIXELS.copy()
    pixels[3, 4, 0] ^= 1
    assert content_hash(png(Image.fromarray(pixels)), ".png") != one


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_pixels_decoded_here_are_those_that_pillow_decodes(mode: str) -> None:
    data = png(picture(mode), compress_level=9)
    assert canonical._pixels(data) == canonical._pixels_by_pillow(data)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_png_is_undone(kind: int) -> None:
    width, height = 5, 6
    lines = b"".join(bytes([kind]) + PIXELS[row, :width].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, part in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + name + part
        data += struct.pack(">I", zlib.crc32(name + part))
    assert canonical._pixels(data) == canonical._pixels_by_pillow(data)


# Pages


def svg(salt: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2, 3], marker="o")
    axes.set_clip_on(True)
    with mpl.rc_context({"svg.hashsalt": salt}):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": dt.datetime.now(dt.UTC)})
    return buffer.getvalue()


def test_ids_and_dates_of_an_svg_do_not_count() -> None:
    one, two = svg("one"), svg("two")
    assert one != two
    assert content_hash(one, ".svg") == content_hash(two, ".svg")
    changed = one.replace(b"stroke-width: 1.5", b"stroke-width: 1.6")
    assert changed != one and content_hash(changed, ".svg") != content_hash(one, ".svg")


def test_ids_of_stylers_tables_do_not_count() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25]})
    one, two = (frame.style.highlight_max().to_html().encode() for _ in range(2))
    assert one != two
    assert content_hash(one, ".html") == content_hash(two, ".html")
    assert content_hash(one.replace(b">0.250000<", b">0.250001<"), ".html") != content_hash(
        one, ".html"
    )


PLOTLY = (
    '<div id="{0}" class="plotly-graph-div"></div><script>Plotly.newPlot("{0}", [{{"y": [{1}]}}])'
    "</script>"
)


def test_ids_of_plotlys_pages_do_not_count() -> None:
    ids = ("9f3b1c2d-1111-4222-8333-abcdefabcdef", "00000000-aaaa-4bbb-8ccc-123412341234")
    one, two = (content_hash(PLOTLY.format(i, 5).encode(), ".html") for i in ids)
    assert one == two != content_hash(PLOTLY.format(ids[0], 6).encode(), ".html")


def test_a_number_in_the_text_is_no_id() -> None:
    pages = (f"<p>account {n}</p>".encode() for n in ("1234567890ab", "1234567890ac"))
    one, two = (content_hash(page, ".html") for page in pages)
    assert one != two


def test_the_seal_that_a_report_names_is_not_part_of_it() -> None:
    page = '<html><head><meta name="seal" content="{}"></head><p>{}</p></html>'
    one, two = (content_hash(page.format(d * 64, "x").encode(), ".html") for d in "ab")
    assert one == two != content_hash(page.format("a" * 64, "y").encode(), ".html")


# Notebooks


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


# Folders, and a machine without our libraries


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    def made(name: str, inside: str, text: str) -> Path:
        (tmp_path / name / "in").mkdir(parents=True)
        (tmp_path / name / "in" / inside).write_text(text)
        return tmp_path / name

    one, spaced = made("one", "a.json", '{"a": 1}'), made("two", "a.json", '{"a":1}')
    assert content_hash(one) == content_hash(spaced)
    assert file_hash(one) != file_hash(spaced)
    assert content_hash(made("three", "b.json", '{"a": 1}')) != content_hash(one)
    assert content_hash(made("four", "a.json", '{"a": 2}')) != content_hash(one)


def test_without_libraries_the_same_hashes_are_computed_or_said_to_need_one(tmp_path: Path) -> None:
    files = {
        "a.json": b'{"b": 1.5}', "b.csv": b'a,b\r\n"1",2\r\n', "c.onnx": graph(2.0),
        "d.png": png(picture("RGB")), "e.svg": svg("x"), "f.txt": b"text",
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "g.parquet").write_bytes(parquet(pa.table({"a": [1]})))
    script = (
        "import importlib.util, sys; from pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('canonical', {canonical.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        f"for path in sorted(Path({str(tmp_path)!r}).iterdir()):\n"
        "    try: print(path.name, module.content_hash(path))\n"
        "    except module.NotRecomputable as reason: print(path.name, reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    expected = [f"{name} {content_hash(tmp_path / name)}" for name in files]
    assert done.stdout.splitlines() == [*expected, "g.parquet rows of Parquet need pyarrow"]


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
