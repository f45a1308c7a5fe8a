"""The seal of a run: what it saw and what it made, in one canonical JSON, and where seals lie.

``content`` is what is hashed; ``occasion`` holds times, versions, paths and people. Identical runs
have an identical ``content``, whatever the folder, the process or the day.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fin_kedro.storage.canonical import canonical_json, json_hash

FORMAT = "fin-kedro-seal/1"
DATASET = "seal"
PATCH = "patch.diff"
KINDS = ("pipeline", "notebook")
OUTCOMES = ("completed", "failed")
PARTS = ("environment", "code", "parameters", "data", "outputs")
CONTENT = ("kind", "subject", "environment", "code", "parameters", "steps", "data", "outcome")
LATEST = "latest"
RELEASE = "build_release"  # the one node of a release pipeline


class SealError(ValueError):
    """A seal is missing, malformed, or does not hold what its digests say."""


def make_seal(content: Mapping[str, Any], occasion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seal of ``content`` (keys: ``CONTENT``), with its digests, and of ``occasion``.

    Raises SealError when a part of the content is missing or unknown.
    """
    plain = _plain(content)
    _check_content(plain)
    return {
        "format": FORMAT,
        "digest": json_hash(plain),
        "digests": part_digests(plain),
        "content": plain,
        "occasion": _plain(occasion),
    }


def part_digests(content: Mapping[str, Any]) -> dict[str, str]:
    """Hashes (sha256, hex) of the parts of a seal's content: PARTS.

    ``data`` is what was read and not made by the run; ``outputs`` is what it wrote.
    """
    parts = {name: content[name] for name in ("environment", "code", "parameters")}
    parts |= {"data": content["data"]["read"], "outputs": content["data"]["written"]}
    return {name: json_hash(parts[name]) for name in PARTS}


def check_seal(seal: Mapping[str, Any]) -> None:
    """Compute every digest of a seal anew; SealError names the one that does not fit."""
    if seal.get("format") != FORMAT:
        raise SealError(
            f"the seal has the format {seal.get('format')!r}; this version reads {FORMAT!r}."
        )
    content = seal.get("content") or {}
    _check_content(content)
    found = {"the whole": json_hash(content), **part_digests(content)}
    stated = {"the whole": seal.get("digest"), **(seal.get("digests") or {})}
    for part, digest in found.items():
        if stated.get(part) != digest:
            raise SealError(
                f"the seal is broken: the digest of {part} is {digest[:12]}, it states "
                f"{str(stated.get(part))[:12]}. It was changed after it was made; take the copy "
                "in MLflow (artifact seal.json), or run again."
            )


def _check_content(content: Mapping[str, Any]) -> None:
    missing, unknown = set(CONTENT) - set(content), set(content) - set(CONTENT)
    if missing or unknown:
        raise SealError(
            f"the content of a seal has the parts {', '.join(CONTENT)}; "
            f"missing: {sorted(missing)}, unknown: {sorted(unknown)}."
        )
    for part, allowed in (("kind", KINDS), ("outcome", OUTCOMES)):
        if content[part] not in allowed:
            raise SealError(f"{part} is {content[part]!r}; allowed: {', '.join(allowed)}.")


def _plain(value: Any) -> Any:
    """What JSON can say: keys and unknown objects as text, tuples and sets as lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


# Reading


def read_seal(path: Path | str) -> dict[str, Any]:
    """Return the seal in ``seal.json``, in an executed notebook, or of a report (HTML).

    A notebook's ``occasion`` lies beside it, in occasion.json; without that it is empty but for
    ``datasets``. A report names its seal by digest (`<meta name="seal">`): it is that of the
    notebook beside it. What a pipeline wrote has the seal of its run, found by the version.
    Raises FileNotFoundError when there is no file, SealError when it has no seal.
    """
    path = Path(path)
    if path.suffix == ".html":
        return _seal_of_report(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SealError(f"{path} holds no seal: it is no JSON ({error}).") from error
    if path.suffix == ".ipynb":
        found = _seal_of_notebook(path, found)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SealError(f"{path} holds no seal; `kedro seal list` names the runs that have one.")
    return found


def _seal_of_notebook(path: Path, notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    seal = _of_notebook(notebook, "seal")
    if not isinstance(seal, dict):
        return _seal_of_run(path)
    beside = path.with_name("occasion.json")
    if "occasion" not in seal and beside.is_file():
        return {**seal, "occasion": json.loads(beside.read_text(encoding="utf-8"))}
    return {"occasion": {"datasets": {}}, **seal}


def _seal_of_run(path: Path) -> dict[str, Any] | None:
    """The seal of the run that wrote a version of a dataset, such as a report; None without one."""
    places = (folder / "seal.json" / path.parent.name / "seal.json" for folder in path.parents[:5])
    found = next((place for place in places if place.is_file()), None)
    return read_seal(found) if found else None


def read_patch(path: Path | str) -> bytes | None:
    """Return the patch (``git diff``) of a dirty tree kept with the seal at ``path``, or None.

    It holds lines of files as they are, so it may be no UTF-8; a notebook carries it in base64.
    """
    path = Path(path)
    if path.suffix == ".ipynb":
        kept = _of_notebook(json.loads(path.read_text(encoding="utf-8")), "patch")
        return None if kept is None else _patch_of(str(kept))
    beside = path.with_name(PATCH)
    return beside.read_bytes() if beside.is_file() else None


def stored_patch(patch: bytes) -> str:
    """A patch as a notebook's metadata carry it."""
    return base64.b64encode(patch).decode()


def _patch_of(kept: str) -> bytes:
    if kept.startswith("diff "):  # as the first version of this format carried it
        return kept.encode()
    return base64.b64decode(kept)


def _of_notebook(notebook: Mapping[str, Any], key: str) -> Any:
    return notebook.get("metadata", {}).get("fin_kedro", {}).get(key)


_META = re.compile(r'<meta name="seal" content="([0-9a-f]{64})"')


def _seal_of_report(path: Path) -> dict[str, Any]:
    found = _META.search(path.read_text(encoding="utf-8"))
    if found is None:
        if (seal := _seal_of_run(path)) is not None:
            return seal
        raise SealError(f"{path} names no seal, and no run that wrote it is sealed beside it.")
    for other in _beside(path):
        try:
            seal = read_seal(other)
        except SealError:
            continue
        if seal["digest"] == found[1]:
            return seal
    raise SealError(
        f"{path} names the seal {found[1][:12]}, and no notebook or run beside it carries that "
        "seal; give the executed notebook instead."
    )


def _beside(report: Path) -> Iterator[Path]:
    """Where the seal of a report may lie: its notebook, of the same run first, and the runs."""
    name, run = f"{report.stem}.ipynb", report.parent.name
    yield from (p for p in (report.with_suffix(".ipynb"),) if p.is_file())
    for folder in report.parents[:5]:
        yield from (p for p in (folder / name / run / name,) if p.is_file())
    for folder in report.parents[:5]:
        yield from sorted(folder.glob(f"{name}/*/{name}"), reverse=True)
        yield from sorted(folder.glob("seal.json/*/seal.json"), reverse=True)


# Finding


def list_seals(project: Path, env: str | None = None) -> list[Path]:
    """Seals of the pipeline runs of a project in ``env``, newest first."""
    file = _seal_file(project, env)
    return sorted(file.glob(f"*/{file.name}"), reverse=True)


def find_seal(project: Path, run: str, env: str | None = None) -> Path:
    """Return the path of a run's seal.

    Args:
        project: its folder.
        run: the run's id, a beginning of it that no other run has, ``latest`` (the last run that
            is no release), ``latest:WORKFLOW`` (the last of them in which a node of that workflow
            ran), the id of an MLflow run, the beginning of a seal's digest (8 characters or more),
            or a path of a seal, an executed notebook or a report.
        env: conf environment, which says where runs lie.

    Raises SealError when none or more than one fits; the message lists what there is.
    """
    named = next((p for p in (Path(run), Path(project) / run) if p.is_file()), None)
    if named is not None:
        return named
    seals = list_seals(project, env)
    if run == LATEST or run.startswith(f"{LATEST}:"):
        return _latest(seals, run, project, env)
    fitting = [p for p in seals if p.parent.name.startswith(run)] or _by_id(seals, run)
    exact = [p for p in fitting if p.parent.name == run]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    raise SealError(_not_found(run, fitting, seals, project, env))


def _latest(seals: list[Path], run: str, project: Path, env: str | None) -> Path:
    """The newest seal that is no release's; one that cannot be read is what its reader says."""
    workflow = run.partition(":")[2]
    for path in seals:
        try:
            content = read_seal(path)["content"]
            fits = not is_release(content) and (not workflow or workflow in workflows_of(content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            fits = not workflow
        if fits:
            return path
    raise SealError(_not_found(run, [], seals, project, env))


def is_release(content: Mapping[str, Any]) -> bool:
    """Whether a run did nothing but build releases: what it made stands in the ledger."""
    nodes = content["code"].get("nodes") or {}
    return bool(nodes) and all(name.rpartition(".")[2] == RELEASE for name in nodes)


def workflows_of(content: Mapping[str, Any]) -> set[str]:
    """The workflows whose nodes a run had: the namespaces of its nodes."""
    return {name.partition(".")[0] for name in content["code"].get("nodes") or {} if "." in name}


def _by_id(seals: list[Path], run: str) -> list[Path]:
    """Seals whose MLflow run has this id, or whose digest begins so."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", run):
        return []
    fitting = []
    for path in seals:
        with suppress(OSError, ValueError, KeyError):  # one that cannot be read is not this one
            seal = read_seal(path)
            if seal["occasion"].get("mlflow_run") == run or seal["digest"].startswith(run):
                fitting.append(path)
    return fitting


def _not_found(
    run: str, fitting: list[Path], seals: list[Path], project: Path, env: str | None
) -> str:
    if len(fitting) > 1:
        several = ", ".join(p.parent.name for p in fitting[:5])
        return f"{run!r} fits {len(fitting)} runs: {several}; write more of the id."
    known = ", ".join(p.parent.name for p in seals[:5])
    where = _seal_file(project, env)
    return (
        f"no run {run!r} is sealed in {where}; newest: {known}. `kedro seal list` lists all."
        if known
        else f"no run is sealed in {where} yet; `kedro run` seals one (--env names another conf)."
    )


def _seal_file(project: Path, env: str | None) -> Path:
    """The file of the catalog's entry ``seal``; versions lie in folders under it."""
    from fin_kedro.project.config import project_config

    entry = project_config(project, env)["catalog"].get(DATASET)
    if not entry:
        raise SealError(
            f"the catalog of {project} has no dataset {DATASET!r}; conf/base/catalog_stages.yml "
            "of a new project shows it."
        )
    return Path(project) / str(entry["filepath"])
