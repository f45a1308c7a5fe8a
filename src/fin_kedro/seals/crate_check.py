"""Check an exported run with nothing but Python: `python -I -S verify.py [FOLDER]`.

It computes the seal's digests anew, and the hashes of every file that lies beside it. What it
cannot compute without a library, or is not in the folder, it names. It ends with 0 when nothing
that it computed differs, with 1 otherwise.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MATCHES, DIFFERS, UNCHECKED = "matches", "DIFFERS", "not checked"
PACKAGE = "fin_kedro.storage.canonical"
Line = tuple[str, str, str]  # what, verdict, detail


def check(folder: Path, canonical: Any) -> Iterator[Line]:
    """Check everything a seal says of what lies in ``folder``; ``canonical``: the package."""
    seal = json.loads((folder / "seal.json").read_text(encoding="utf-8"))
    yield from _digests(seal, canonical.json_hash)
    yield from _attachments(folder, seal)
    if seal["content"]["kind"] == "notebook":
        yield from _outputs(folder, seal, canonical)
    yield from _datasets(folder, seal, canonical)


def _outputs(folder: Path, seal: Mapping[str, Any], canonical: Any) -> Iterator[Line]:
    """What the cells of an executed notebook put out; its own seal stands in its metadata."""
    stated = seal["content"]["data"]["written"].get("outputs")
    for path in sorted(folder.glob("*.ipynb")):
        found = canonical.json_hash(canonical.canonical_outputs(path))
        yield _compared(f"outputs of {path.name}", found, stated)


def _digests(seal: Mapping[str, Any], json_hash: Any) -> Iterator[Line]:
    content = seal["content"]
    parts = {name: content[name] for name in ("environment", "code", "parameters")}
    parts |= {"data": content["data"]["read"], "outputs": content["data"]["written"]}
    yield _compared("digest of the whole", json_hash(content), seal["digest"])
    for name, part in parts.items():
        yield _compared(f"digest of {name}", json_hash(part), seal["digests"].get(name))
    for step, name, digest in _parameters_read(content):
        value = content["parameters"].get(name)
        if name in content["parameters"] and json_hash(value) != digest:
            yield _compared(f"parameter {name} of {step}", json_hash(value), digest)


def _parameters_read(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Parameters that steps of a pipeline read: step, name, hash."""
    for step, data in content["steps"].items():
        for name, digest in data.get("read", {}).items():
            if name.startswith("params:"):
                yield step, name.removeprefix("params:"), digest


def _attachments(folder: Path, seal: Mapping[str, Any]) -> Iterator[Line]:
    """The patch of what was not committed, and the lock of the libraries."""
    code, environment = seal["content"]["code"], seal["content"]["environment"]
    stated = {"patch.diff": code["dirty"], "requirements.lock": environment["lock"]}
    for name, digest in stated.items():
        file = folder / name
        if digest is None:
            continue
        if file.is_file():
            yield _compared(name, hashlib.sha256(file.read_bytes()).hexdigest(), digest)
        else:
            yield name, UNCHECKED, "not in this folder"


def _datasets(folder: Path, seal: Mapping[str, Any], canonical: Any) -> Iterator[Line]:
    data = seal["content"]["data"]
    notebook = seal["content"]["kind"] == "notebook"
    written = {} if notebook else data["written"]
    for name, digest in sorted({**data["read"], **written}.items()):
        where = seal["occasion"]["datasets"].get(name) or {}
        path = canonical.inside(folder, str(where.get("path") or "-"))
        if path is None or not path.exists():
            yield name, UNCHECKED, "not in this folder"
            continue
        yield _compared(f"{name}, bytes", canonical.file_hash(path), where.get("file_sha256"))
        yield _content(name, path, digest, where, canonical)


def _content(name: str, path: Path, digest: str, where: Mapping[str, Any], canonical: Any) -> Line:
    if where.get("form") == "own":
        return f"{name}, content", UNCHECKED, "only fin_kedro knows what of it is content"
    try:
        return _compared(f"{name}, content", canonical.content_hash(path), digest)
    except canonical.NotRecomputable as reason:
        return f"{name}, content", UNCHECKED, str(reason)


def _compared(what: str, found: str, stated: str | None) -> Line:
    if found == stated:
        return what, MATCHES, found[:12]
    return what, DIFFERS, f"found {found[:12]}, the seal states {str(stated)[:12]}"


def main(arguments: list[str]) -> int:
    """Print every line and a count; 1 when anything differs."""
    sys.dont_write_bytecode = True
    here = Path(__file__).resolve().parent
    folder = Path(arguments[0]) if arguments else here
    lines = list(check(folder, _canonical(here)))
    width = max(len(what) for what, _, _ in lines)
    for what, verdict, detail in lines:
        print(f"{what:<{width}}  {verdict:<11}  {detail}")
    counts = {v: sum(line[1] == v for line in lines) for v in (MATCHES, DIFFERS, UNCHECKED)}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts[DIFFERS] else 0


def _canonical(folder: Path) -> Any:
    """The package beside this script; `python -I` does not look for it there by itself.

    It is known by the name that its modules call each other by. Python looks for a module where
    the package above it says, so they are found beside each other, whatever else is installed.
    """
    home = folder / "canonical"
    spec = importlib.util.spec_from_file_location(PACKAGE, home / "__init__.py")
    if spec is None or spec.loader is None or not home.is_dir():
        raise FileNotFoundError(f"the folder canonical belongs beside this script, in {folder}.")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return package


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
