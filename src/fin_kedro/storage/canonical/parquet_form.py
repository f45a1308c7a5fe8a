"""Parquet: names, types and values in their order; not row groups, encodings or who wrote it.

pyarrow is imported where it is used: all other forms are computed without any library.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO

from fin_kedro.storage.canonical.json_form import json_hash
from fin_kedro.storage.canonical.plain import NotRecomputable

BATCH = 1 << 16


def parquet_form(file: BinaryIO) -> str:
    """The hash of a table's columns by name, type and values; NotRecomputable without pyarrow."""
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
