"""Bytecode of one environment for another of the same interpreter, instead of compiling it again.

    python .ci/bytecode.py OLD NEW      two folders of packages (site-packages)

To compile every module of the lock is half of what building an environment costs. Where a source
is the same byte for byte, so is its bytecode; only the time of the source in the header is put in
anew (PEP 552). What differs or is missing Python compiles by itself, as ever.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

ENDING = f".{sys.implementation.cache_tag}.pyc"
HEADER = struct.Struct("<4sIII")  # magic number, flags (0: by time and size), time, size
HALF = 0xFFFFFFFF


def carry(old: Path, new: Path) -> int:
    """Give the sources below `new` the bytecode that lies below `old`; of how many."""
    carried = 0
    for compiled in old.rglob(f"__pycache__/*{ENDING}"):
        source = compiled.parents[1] / f"{compiled.name.removesuffix(ENDING)}.py"
        target = new / source.relative_to(old)
        if source.is_file() and target.is_file() and source.read_bytes() == target.read_bytes():
            carried += _carry(compiled, target)
    return carried


def _carry(compiled: Path, target: Path) -> bool:
    data, found = compiled.read_bytes(), target.stat()
    magic, flags, _, size = HEADER.unpack_from(data)
    if magic != importlib.util.MAGIC_NUMBER or flags or size != found.st_size & HALF:
        return False
    header = HEADER.pack(magic, flags, int(found.st_mtime) & HALF, size)
    folder = target.parent / "__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / compiled.name).write_bytes(header + data[HEADER.size :])
    return True


if __name__ == "__main__":
    print(f"  bytecode of {carry(*map(Path, sys.argv[1:3]))} modules taken over")
