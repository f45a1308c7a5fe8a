"""What is of no form, folders, and a machine without our libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from fin_kedro.storage import canonical
from fin_kedro.storage.canonical import content_hash, file_hash

from .written import graph, parquet, picture, png, svg


def test_what_is_not_what_its_suffix_says_is_hashed_as_it_is() -> None:
    for kind in (".json", ".parquet", ".png", ".onnx", ".cbm", ".ipynb"):
        assert content_hash(b"\xff\xfe nothing", kind) == content_hash(b"\xff\xfe nothing")


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
        "name = 'fin_kedro.storage.canonical'\n"
        f"spec = importlib.util.spec_from_file_location(name, {canonical.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); sys.modules[name] = module\n"
        "spec.loader.exec_module(module)\n"
        f"for path in sorted(Path({str(tmp_path)!r}).iterdir()):\n"
        "    try: print(path.name, module.content_hash(path))\n"
        "    except module.NotRecomputable as reason: print(path.name, reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    expected = [f"{name} {content_hash(tmp_path / name)}" for name in files]
    assert done.stdout.splitlines() == [*expected, "g.parquet rows of Parquet need pyarrow"]
