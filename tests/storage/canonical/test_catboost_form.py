"""CatBoost's files: two equal fits have one hash in each format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from fin_kedro.storage.canonical import content_hash, file_hash


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
