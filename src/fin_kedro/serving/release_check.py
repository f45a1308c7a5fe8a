"""A bento against the ledger: whether each of its files is what was released."""

from __future__ import annotations

import importlib.util
import json
import marshal
from pathlib import Path

from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.package import PackageError
from fin_kedro.serving.bento_files import COMPILED, bento_files, files_digest
from fin_kedro.serving.release import ReleaseError

_HEADER = 16  # bytes of a .pyc before its code


def check_bento(bento: Path, ledger: Ledger) -> str:
    """Compute a bento's digest anew and return it with the entry that released it, in a sentence.

    Every file counts, whatever the bento says of itself. Raises ReleaseError when no entry
    ``released`` of the ledger has this digest, LedgerError when the ledger is broken, PackageError
    when ``bento`` is no bento.
    """
    if not (bento / "bento.yaml").is_file():
        raise PackageError(f"{bento} is no bento: name the folder that holds bento.yaml.")
    ledger.verify()
    digest = files_digest(bento_files(bento))
    if faults := compiled_faults(bento):
        raise ReleaseError(
            f"{bento} holds compiled code that is not of its source: {', '.join(faults)}. Do not "
            "serve it; release the approved version again into an empty folder."
        )
    released = ledger.entries(event="released", bento_digest=digest)
    if not released:
        raise ReleaseError(
            f"no release in the ledger has the digest {digest}, which the files of {bento} give. "
            f"{_own_words(bento, ledger)}Do not serve it; release the approved version again into "
            "an empty folder."
        )
    event = released[-1].event
    return (
        f"{bento} is as released: {event['workflow']} {event['version']}, digest {digest}, ledger "
        f"entry {released[-1].number}, signed by {ledger.signed_by(released[-1])}"
    )


def _own_words(bento: Path, ledger: Ledger) -> str:
    """What the ledger released under the bento's tag, to tell an altered one from an older one."""
    tag = f"{bento.resolve().parent.name}:{bento.resolve().name}"
    events = [e.event for e in ledger.entries(event="released", bento=tag)]
    if not events:
        return f"Nothing was released as {tag}. "
    known = events[-1].get("bento_digest")
    if known is None:
        return f"{tag} was released before releases were bound to a bento. "
    try:
        files = json.loads((bento / "src/files.json").read_bytes())["files"]
        found = bento_files(bento)
        names = sorted(n for n in {*files, *found} if files.get(n) != found.get(n))
    except (OSError, ValueError, KeyError, TypeError):
        names = []
    which = f" (differing: {', '.join(names[:5])})" if names else ""
    return f"As {tag} the digest {known} was released{which}. "


def compiled_faults(bento: Path) -> list[str]:
    """Compiled files that are not what their source says; Python would run them in its place."""
    found = sorted(bento.rglob(f"{COMPILED}/*.pyc"))
    return [path.relative_to(bento).as_posix() for path in found if not _is_of_its_source(path)]


def _is_of_its_source(path: Path) -> bool:
    source = Path(importlib.util.source_from_cache(str(path)))
    try:
        expected = compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
        # compared, never run
        return bool(marshal.loads(path.read_bytes()[_HEADER:]) == expected)  # noqa: S302
    except (OSError, ValueError, EOFError, TypeError, SyntaxError):
        return False
