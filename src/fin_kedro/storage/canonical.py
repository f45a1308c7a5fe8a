"""Hashes of what a file says, not of how it was written; only the standard library is imported.

An exported run carries this file, so that its hashes can be computed anew without our libraries.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, BinaryIO

CHUNK = 1 << 20
BATCH = 1 << 16
INJECTED = "injected-parameters"
OCCASION = "occasion"  # tag of a cell that shows times: what it says is no result
# Entries that name the occasion of a model's making; CatBoost and exporters to ONNX write them.
OCCASIONS = frozenset(
    {"model_guid", "train_finish_time", "run_id", "uuid", "date", "created_at", "creation_time"}
)


class NotRecomputable(RuntimeError):  # noqa: N818 (it says what cannot be done, not what is wrong)
    """The canonical form of this content needs a library that is not here; the text names it."""


def inside(root: Path, path: str, *, links: bool = False) -> Path | None:
    """``root / path``; None where that leaves ``root``: absolute, with ``..``, or by a link.

    A seal's paths are covered by no digest, so whoever sends one can write anything there.
    ``links``: symbolic links may lead elsewhere, as one's own data folder on another disk does.
    """
    if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        return None
    place = root / path
    return place if links or place.resolve().is_relative_to(root.resolve()) else None


def canonical_json(content: Any) -> str:
    """JSON with sorted keys, without blanks, in ASCII: equal content is equal text.

    Floats are written as Python does (shortest form that reads back the same; NaN, Infinity).
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def json_hash(content: Any) -> str:
    """Hash (sha256, hex) of JSON-like content, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def file_hash(path: Path | str) -> str:
    """Hash (sha256, hex) of a file's bytes, or of a folder's files by sorted relative name."""
    path = Path(path)
    if path.is_dir():
        return _folder_hash(path, file_hash)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        return _stream_hash(io.BytesIO(source), kind or "")
    path = Path(source)
    if path.is_dir():
        return _folder_hash(path, content_hash)
    with path.open("rb") as file:
        return _stream_hash(file, kind or path.suffix)


def _stream_hash(file: BinaryIO, kind: str) -> str:
    form = _FORMS.get(kind.lower())
    if form is not None:
        try:
            return form(file)
        except NotRecomputable:
            raise
        except (ValueError, KeyError, IndexError, TypeError, csv.Error, struct.error, zlib.error):
            file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(CHUNK):
        digest.update(block)
    return digest.hexdigest()


def _folder_hash(folder: Path, hashed: Callable[[Path], str]) -> str:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    lines = [f"{f.relative_to(folder).as_posix()} {hashed(f)}" for f in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# JSON


def _json_form(file: BinaryIO) -> str:
    data = file.read()
    blank = _without_occasions if any(f'"{k}"'.encode() in data for k in _CATBOOST) else None
    return json_hash(json.loads(data, object_hook=blank))


_CATBOOST = ("model_guid", "train_finish_time")


def _without_occasions(content: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if key in _CATBOOST else value for key, value in content.items()}


def _json_lines_form(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for line in file:
        if line.strip():
            digest.update(canonical_json(json.loads(line)).encode() + b"\n")
    return digest.hexdigest()


# CSV: commas and quotes as RFC 4180 has them, quotes only where needed, lines ended by \n


def _csv_form(file: BinaryIO) -> str:
    return _plain_csv(file) or _quoted_csv(file)


def _plain_csv(file: BinaryIO) -> str | None:
    """The hash of a file without quotes, read as bytes; None when there are any."""
    digest, held, last = hashlib.sha256(), b"", b""
    first = file.read(3)
    held = b"" if first == b"\xef\xbb\xbf" else first
    while block := file.read(CHUNK):
        block, held = held + block, b""
        if block.endswith(b"\r"):
            block, held = block[:-1], b"\r"
        lines = block.replace(b"\r\n", b"\n")
        if b'"' in lines or b"\r" in lines:
            return None
        digest.update(lines)
        last = lines[-1:] or last
    rest = held.replace(b"\r\n", b"\n")
    if b'"' in rest or b"\r" in rest:
        return None
    digest.update(rest)
    last = rest[-1:] or last
    digest.update(b"" if last in (b"", b"\n") else b"\n")
    return digest.hexdigest()


def _quoted_csv(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        for row in csv.reader(text):
            line = ",".join(_field(value) for value in row) if row != [""] else '""'
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    finally:
        text.detach()
    return digest.hexdigest()


def _field(value: str) -> str:
    quoted = any(mark in value for mark in ',"\r\n')
    return '"' + value.replace('"', '""') + '"' if quoted else value


# Parquet: names, types and values in their order; not row groups, encodings or who wrote it


def _parquet_form(file: BinaryIO) -> str:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise NotRecomputable("rows of Parquet need pyarrow") from error
    try:
        table = pq.ParquetFile(file)
        columns = [_Column(field.name, field.type) for field in table.schema_arrow]
        rows = 0
        for batch in table.iter_batches(batch_size=BATCH):
            for column, values in zip(columns, batch.columns, strict=True):
                column.add(values, rows)
            rows += batch.num_rows
    except pa.ArrowException as error:
        raise ValueError("not a Parquet file") from error
    return json_hash({"rows": rows, "columns": [column.facts() for column in columns]})


class _Column:
    """One column's running hashes: where it is missing, how long its texts are, what it holds."""

    def __init__(self, name: str, kind: Any) -> None:
        self._name, self._kind = name, _plain_type(kind)
        self._missing, self._lengths, self._values = (hashlib.sha256() for _ in range(3))

    def add(self, values: Any, start: int) -> None:
        """Take in the next values; ``start``: the number of rows before them."""
        if values.null_count:
            import numpy as np

            missing = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
            self._missing.update((missing + start).astype("<i8").tobytes())
            values = values.drop_null()
        if len(values):
            lengths, content = _buffers(values)
            self._lengths.update(lengths)
            self._values.update(content)

    def facts(self) -> list[str]:
        """Name, type, and the three hashes."""
        digests = (self._missing, self._lengths, self._values)
        return [self._name, self._kind, *(digest.hexdigest() for digest in digests)]


def _plain_type(kind: Any) -> str:
    """A type's name; text is text, whether a writer chose wide offsets, views or a dictionary."""
    value = getattr(kind, "value_type", None)
    name = str(value) if str(kind).startswith("dictionary<") else str(kind)
    return name.replace("large_", "").replace("_view", "")


def _buffers(values: Any) -> tuple[bytes, Any]:
    """Lengths (for texts) and content of an Arrow array without nulls."""
    import numpy as np
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _buffers(values.dictionary_decode())
    if pa.types.is_boolean(kind):
        return b"", values.cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes()
    if _is_text(kind):
        wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
        offsets = np.frombuffer(values.buffers()[1], dtype="<i8" if wide else "<i4")
        offsets = offsets[values.offset : values.offset + len(values) + 1]
        content = memoryview(values.buffers()[2] or b"")[offsets[0] : offsets[-1]]
        return np.diff(offsets).astype("<i8").tobytes(), content
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        width = kind.bit_width // 8
        start = values.offset * width
        return b"", memoryview(values.buffers()[1])[start : start + len(values) * width]
    lines = (json.dumps(value, sort_keys=True, default=str) for value in values.to_pylist())
    return b"", "".join(f"{line}\n" for line in lines).encode()


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("is_string", "is_large_string", "is_binary", "is_large_binary")
    return any(getattr(pa.types, test)(kind) for test in tests)


# Models


def _cbm_form(file: BinaryIO) -> str:
    data = file.read()
    if not data.startswith(b"CBM1"):
        raise ValueError("not a CatBoost model")
    return hashlib.sha256(_CBM_OCCASION.sub(_blank_if_string, data)).hexdigest()


# A string of a flatbuffer is its length in four bytes, its text, and zeros up to the next word.
_CBM_OCCASION = re.compile(
    rb"(?s)(.{4})([0-9a-f]{1,8}(?:-[0-9a-f]{1,8}){3}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\x00+"
)


def _blank_if_string(found: re.Match[bytes]) -> bytes:
    length = int.from_bytes(found[1], "little")
    return b"" if length == len(found[2]) else found[0]


def _onnx_form(file: BinaryIO) -> str:
    """The hash of a graph without producer, names, descriptions and dates; fields in order."""
    digest = hashlib.sha256()
    for number, value in _sorted_fields(file.read(), without={2, 3, 6}):
        if number == _METADATA and any(name in value for name in _onnx_occasions()):
            continue
        digest.update(_framed(number, _graph(value) if number == _GRAPH else value))
    return digest.hexdigest()


_GRAPH, _METADATA = 7, 14


def _graph(message: bytes) -> bytes:
    return b"".join(_framed(n, v) for n, v in _sorted_fields(message, without={2, 10}))


def _onnx_occasions() -> list[bytes]:
    """How the key of an entry that names the occasion begins: field 1, its length, its text."""
    return [bytes([10, len(name)]) + name.encode() + b"\x12" for name in sorted(OCCASIONS)]


def _framed(number: int, value: bytes) -> bytes:
    return f"{number}:{len(value)}:".encode() + value


def _sorted_fields(message: bytes, *, without: set[int]) -> list[tuple[int, bytes]]:
    """Fields of a protobuf message by number; entries of metadata by their own bytes."""
    kept = [(n, value) for n, value in _fields(message) if n not in without]
    return sorted(kept, key=lambda field: (field[0], field[1] if field[0] == _METADATA else b""))


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and raw value of each field of a protobuf message; ValueError when it is none."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            start = place
            _, place = _varint(message, place)
        elif wire == 2:
            length, start = _varint(message, place)
            place = start + length
        elif wire in (1, 5):
            start, place = place, place + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"no protobuf message: wire type {wire}")
        if number == 0 or place > len(message):
            raise ValueError("no protobuf message: it ends inside a field")
        yield number, message[start:place]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if byte < 0x80:
            return value, place


# Pictures and pages


def _png_form(file: BinaryIO) -> str:
    """The hash of width, height and RGBA bytes: not of compression, dates or the writer's name."""
    data = file.read()
    try:
        width, height, pixels = _pixels_by_pillow(data)
    except ImportError:
        width, height, pixels = _pixels(data)
    return hashlib.sha256(f"{width}x{height}\n".encode() + pixels).hexdigest()


def _pixels_by_pillow(data: bytes) -> tuple[int, int, bytes]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            deep = image.mode in ("I", "I;16", "I;16B", "F")
            shown = image if deep else image.convert("RGBA")
            return shown.width, shown.height, shown.tobytes()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError("not a PNG picture") from error


def _pixels(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGBA bytes of a PNG of eight bits a channel, not interlaced."""
    chunks = list(_png_chunks(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or interlaced or colour not in _CHANNELS:
        raise NotRecomputable("pixels of this kind of PNG need Pillow")
    packed = zlib.decompress(b"".join(part for name, part in chunks if name == b"IDAT"))
    rows = _unfiltered(packed, width * _CHANNELS[colour], _CHANNELS[colour], height)
    return width, height, _rgba(b"".join(rows), colour, dict(chunks))


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG picture")
    place = 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        yield name, data[place + 8 : place + 8 + length]
        place += length + 12


def _unfiltered(packed: bytes, stride: int, step: int, height: int) -> Iterator[bytes]:
    """Lines of a PNG as they were before each was filtered (PNG specification, chapter 9)."""
    above = bytearray(stride)
    for start in range(0, height * (stride + 1), stride + 1):
        line = bytearray(packed[start + 1 : start + 1 + stride])
        _unfilter(packed[start], line, above, step)
        yield bytes(line)
        above = line


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    if kind == 2:
        line[:] = bytes(map(_LOW_BYTE, map(int.__add__, line, above)))
    elif kind in (1, 3, 4):
        undo = {1: _add_left, 3: _add_mean, 4: _add_paeth}[kind]
        for channel in range(step):
            undo(line, above, range(channel, len(line), step))


_LOW_BYTE = (255).__and__


def _add_left(line: bytearray, _: bytearray, places: range) -> None:
    left = 0
    for i in places:
        line[i] = left = (line[i] + left) & 255


def _add_mean(line: bytearray, above: bytearray, places: range) -> None:
    left = 0
    for i in places:
        line[i] = left = (line[i] + (left + above[i]) // 2) & 255


def _add_paeth(line: bytearray, above: bytearray, places: range) -> None:
    """Add left, above or corner, whichever is nearest to left + above - corner."""
    left = corner = 0
    for i in places:
        up = above[i]
        to_left, to_up = up - corner, left - corner
        to_corner = abs(to_left + to_up)
        to_left, to_up = abs(to_left), abs(to_up)
        if to_left <= to_up and to_left <= to_corner:
            guess = left
        else:
            guess = up if to_up <= to_corner else corner
        line[i] = left = (line[i] + guess) & 255
        corner = up


def _rgba(pixels: bytes, colour: int, chunks: Mapping[bytes, bytes]) -> bytes:
    if colour == 6:
        return pixels
    if b"tRNS" in chunks and colour != 3:
        raise NotRecomputable("transparent colours of a PNG need Pillow")
    if colour == 3:
        palette = [chunks[b"PLTE"][i : i + 3] for i in range(0, len(chunks[b"PLTE"]), 3)]
        alpha = chunks.get(b"tRNS", b"").ljust(len(palette), b"\xff")
        table = [rgb + alpha[i : i + 1] for i, rgb in enumerate(palette)]
        return b"".join(table[index] for index in pixels)
    step = _CHANNELS[colour]
    out = bytearray(b"\xff" * (len(pixels) // step * 4))
    for channel in range(3):
        out[channel::4] = pixels[channel if colour == 2 else 0 :: step]
    if colour == 4:
        out[3::4] = pixels[1::2]
    return bytes(out)


def _page_form(file: BinaryIO) -> str:
    return hashlib.sha256(_page(file.read().decode()).encode()).hexdigest()


def _page(text: str) -> str:
    """HTML or SVG with random ids numbered, and without comments, metadata and seal."""
    return _numbered_ids(_HIDDEN.sub("", text.replace("\r\n", "\n")))


_HIDDEN = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>"
    r"|<meta name=\"seal\"[^>]*>|<template id=\"seal\">.*?</template>",
    re.DOTALL,
)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)["']""")
# Styler's, a UUID (plotly), and a letter or a word before ten hexadecimal digits (matplotlib)
_RANDOM = re.compile(
    r"(T_[0-9a-f]{5,32})(?:_|$)|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|^(?=.*\d)([A-Za-z]{0,6}[0-9a-f]{10,})$"
)


def _numbered_ids(text: str) -> str:
    """Only what is declared as an id is renamed: a number in the data stays what it is."""
    found = (_RANDOM.search(name) for name in dict.fromkeys(_ID.findall(text)))
    random = [next(group for group in match.groups() if group) for match in found if match]
    if not random:
        return text
    names = {name: f"id{n}" for n, name in enumerate(dict.fromkeys(random), 1)}
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![0-9A-Za-z-])({either})(?![0-9A-Za-z-])")
    return pattern.sub(lambda match: names[match[1]], text)


# Notebooks


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


def _notebook_form(file: BinaryIO) -> str:
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

        return content_hash(base64.b64decode(text), ".png")
    if mime in ("text/html", "image/svg+xml"):
        return _without_addresses(_page(text))
    return _without_addresses(text)


def _without_models(value: Any) -> Any:
    """JSON without the random ids that widgets have."""
    if isinstance(value, Mapping):
        return {k: "" if k == "model_id" else _without_models(v) for k, v in value.items()}
    return [_without_models(v) for v in value] if isinstance(value, list) else value


def _text(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


# What is drawn anew each time: a memory address, Ibis's name of a table, Python's of a folder.
_DRAWN = re.compile(
    r"(\bat 0x)[0-9a-fA-F]+|(\bibis_[a-z_]+_)[a-z2-7]{26}\b|(/tmp)[a-z0-9_]{8}(?=[/\s]|$)"
)


def _without_addresses(text: str) -> str:
    return _DRAWN.sub(lambda found: found[1] or found[2] or found[3], text)


_FORMS: dict[str, Callable[[BinaryIO], str]] = {
    ".json": _json_form,
    ".jsonl": _json_lines_form,
    ".csv": _csv_form,
    ".parquet": _parquet_form,
    ".cbm": _cbm_form,
    ".onnx": _onnx_form,
    ".png": _png_form,
    ".svg": _page_form,
    ".html": _page_form,
    ".ipynb": _notebook_form,
}
