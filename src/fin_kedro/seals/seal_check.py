"""A seal held against what lies on disk, or against another seal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from fin_kedro.project.evidence import open_catalog
from fin_kedro.seals.seal import PARTS, check_seal, read_seal
from fin_kedro.seals.seal_entries import Finding, entry_findings
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from fin_kedro.storage.dataset_state import DatasetHashes, DatasetStates

# Why a dataset's bytes may differ though its content does not, by suffix or by its own form.
REASONS = {
    "own": "names the occasion too: model version, MLflow run, paths",
    ".ipynb": "its metadata carry the seal of its own execution",
    ".html": "names the seal of its own execution",
    ".cbm": "CatBoost writes a random id and the time",
    ".parquet": "written in other row groups or by another writer",
}


def check_on_disk(
    seal_path: Path, *, project: Path, env: str | None = None, head: str | None = None
) -> list[Finding]:
    """Compute the digests of a seal anew, the content of its datasets, and look in the ledger.

    ``head``: of the ledger, kept elsewhere (`fin_kedro.governance.ledger.Ledger.verify`).
    Raises SealError when the seal itself is broken, LedgerError when the ledger is.
    """
    seal = read_seal(seal_path)
    check_seal(seal)
    parts = [f"digest of {part}" for part in ("the whole", *PARTS)]
    digests = [seal["digest"], *(seal["digests"][part] for part in PARTS)]
    found = [
        Finding(what=what, verdict="same", detail=digest[:12])
        for what, digest in zip(parts, digests, strict=True)
    ]
    if seal["content"]["kind"] == "notebook":
        found += [*_outputs(seal, seal_path), *_noted(seal, project, env)]
    else:
        found += _datasets(seal, project, env)
    return [*found, *entry_findings(seal, seal_path, project=project, env=env, head=head)]


def _outputs(seal: Mapping[str, Any], notebook: Path) -> Iterator[Finding]:
    """The outputs of an executed notebook."""
    digest = json_hash(canonical_outputs(notebook)) if notebook.suffix == ".ipynb" else ""
    if digest:
        yield _compared("outputs", digest, str(seal["content"]["data"]["written"].get("outputs")))


def _noted(seal: Mapping[str, Any], project: Path, env: str | None) -> Iterator[Finding]:
    """What an executed notebook loaded and saved, where its place was kept (occasion.json)."""
    data, places = seal["content"]["data"], seal["occasion"].get("datasets", {})
    stated = {**data["written"], **data["read"]}
    stated.pop("outputs", None)
    if not stated:
        return
    hash_of = DatasetHashes(open_catalog(project_path=project, env=env or "base"))
    for name, digest in sorted(stated.items()):
        path = (places.get(name) or {}).get("path")
        if not path:
            yield Finding(what=name, verdict="unknown", detail=f"sealed as {str(digest)[:12]}")
        elif not (project / path).exists():
            yield Finding(what=name, verdict="gone", detail=str(path))
        else:
            yield _compared(name, hash_of(name.partition("@")[0], project / path), str(digest))


def _compared(what: str, found: str, stated: str) -> Finding:
    same = found == stated
    detail = found[:12] if same else f"{found[:12]}, sealed as {stated[:12]}"
    return Finding(what=what, verdict="same" if same else "differs", detail=detail)


def _datasets(seal: Mapping[str, Any], project: Path, env: str | None) -> Iterator[Finding]:
    data, where = seal["content"]["data"], seal["occasion"]["datasets"]
    stated = {**data["read"], **data["written"]}
    versions = {n: v for n in stated if (v := (where.get(n) or {}).get("version"))}
    catalog = open_catalog(project_path=project, env=env or "base", versions=versions)
    states = DatasetStates(project.resolve())
    for name, digest in sorted(stated.items()):
        path = (where.get(name) or {}).get("path")
        if not path or not (project / path).exists():
            yield Finding(what=name, verdict="gone", detail=str(path))
            continue
        state = states.of(catalog.get(name))
        yield _compared(name, state.content if state else "nothing", digest)


Row = tuple[str, str, str, str]


def compare_seals(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what, same bytes, same content, and the reason where either is not, for each dataset.

    The parts of the seals that are no data come first; they have no bytes of their own.
    """
    for part in PARTS[:3]:
        same = first["digests"][part] == second["digests"][part]
        yield f"({part})", "", _word(same), "" if same else _departed(first, second, part)
    contents = [{**s["content"]["data"]["read"], **s["content"]["data"]["written"]}
                for s in (first, second)]  # fmt: skip
    for name in sorted({*contents[0], *contents[1]}):
        yield _row(name, contents, [s["occasion"]["datasets"].get(name) or {}
                                    for s in (first, second)])  # fmt: skip


def _row(name: str, contents: list[dict[str, str]], places: list[Mapping[str, Any]]) -> Row:
    one, two = (content.get(name) for content in contents)
    if one is None or two is None:
        return name, "", "", f"only in the {'first' if two is None else 'second'} run"
    bytes_same = places[0].get("file_sha256") == places[1].get("file_sha256")
    if one != two:
        return name, _word(bytes_same), _word(False), "another content"
    kind = places[0].get("form") or Path(str(places[0].get("path"))).suffix
    reason = "" if bytes_same else REASONS.get(kind, "only the way it is written differs")
    return name, _word(bytes_same), _word(True), reason


KINDS = {
    "own": "record of validation",
    "": "folder (the package)",
    ".parquet": "table (Parquet)",
    ".csv": "table (CSV)",
    ".json": "model, policy, figures (JSON)",
    ".yaml": "contract (YAML)",
    ".onnx": "graph (ONNX)",
    ".png": "picture (PNG)",
    ".ipynb": "executed notebook",
    ".html": "report (HTML)",
}


def compare_kinds(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the same by kind of artefact: its name with a count, and how many are the same."""
    places = {**first["occasion"]["datasets"], **second["occasion"]["datasets"]}
    groups: dict[str, list[Row]] = {}
    for row in compare_seals(first, second):
        if row[0].startswith("("):
            yield row
            continue
        where = places.get(row[0]) or {}
        kind = where.get("form") or Path(str(where.get("path"))).suffix
        groups.setdefault(KINDS.get(kind, kind), []).append(row)
    for kind, rows in sorted(groups.items()):
        reasons = "; ".join(sorted({row[3] for row in rows if row[3]}))
        yield f"{len(rows)} x {kind}", _counted(rows, 1), _counted(rows, 2), reasons


def _counted(rows: list[Row], column: Literal[1, 2]) -> str:
    same = sum(row[column] == _word(True) for row in rows)
    return f"{same} same" if same == len(rows) else f"{same} same, {len(rows) - same} not"


def _word(same: bool) -> str:
    return "same" if same else "differ"


def _departed(first: Mapping[str, Any], second: Mapping[str, Any], part: str) -> str:
    """Names of the entries of a part that differ, at most three."""
    one, two = (_flat(seal["content"][part]) for seal in (first, second))
    names = sorted(name for name in {*one, *two} if one.get(name) != two.get(name))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(content, Mapping):
        return {name: content}
    return {
        key: value
        for part, inner in content.items()
        for key, value in _flat(inner, f"{name}.{part}".lstrip(".")).items()
    }
