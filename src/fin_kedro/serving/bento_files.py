"""Every file of a bento, by its hash: what a release binds, and what a service verifies at start.

The list is the bento's own file ``src/files.json``. Its digest covers each path and content but the
list itself, which follows from them, and what Python compiles beside the code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from fin_kedro.governance.package import PackageError

LIST = "src/files.json"
CODE = "src/"
COMPILED = "__pycache__"


def bento_files(bento: Path) -> dict[str, str]:
    """Hash (sha256, hex) of each file of a bento by its path, but of its list of files."""
    paths = {p.relative_to(bento).as_posix(): p for p in sorted(bento.rglob("*")) if p.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in paths.items()
        if name != LIST and COMPILED not in path.parts
    }


def files_digest(files: Mapping[str, str]) -> str:
    """Hash (sha256, hex) over the sorted lines ``"<path> <sha256>\\n"``."""
    return hashlib.sha256("".join(f"{n} {files[n]}\n" for n in sorted(files)).encode()).hexdigest()


def write_list(bento: Path) -> str:
    """Write a bento's list of files and return the digest."""
    files = bento_files(bento)
    text = json.dumps({"digest": files_digest(files), "files": files}, indent=1, sort_keys=True)
    (bento / LIST).write_text(text + "\n", encoding="utf-8")
    return files_digest(files)


def verified_digest(bento: Path) -> str:
    """Return the digest of a bento, computed anew; PackageError when a file is not as listed.

    Outside ``src`` there may be files of whoever packs the bento, such as a container's.
    """
    try:
        listed: dict[str, str] = json.loads((bento / LIST).read_bytes())["files"]
        found = bento_files(bento)
        wrong = sorted(n for n, digest in listed.items() if found.get(n) != digest)
        wrong += sorted(n for n in found if n not in listed and n.startswith(CODE))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackageError(
            f"{bento / LIST} lists no files of a released bento ({error}). Release the approved "
            "version again."
        ) from None
    if wrong:
        raise PackageError(
            f"the bento {bento} is not what was released: {_few(wrong)} changed, gone or added. "
            "Release the approved version again into an empty folder."
        )
    return files_digest(listed)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
