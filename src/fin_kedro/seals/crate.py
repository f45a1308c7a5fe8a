"""A sealed run as an RO-Crate (Process Run Crate), with a check that needs only Python itself."""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fin_kedro.seals import crate_check
from fin_kedro.seals.seal import PATCH, check_seal, read_patch, read_seal
from fin_kedro.seals.surroundings import LOCK
from fin_kedro.storage import canonical
from fin_kedro.storage.canonical import canonical_json, file_hash, inside

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

Data = Literal["none", "written", "all"]
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SPDX = "https://spdx.org/licenses/"
LICENCE = "LICENSE"
STATUS = {"completed": "CompletedActionStatus", "failed": "FailedActionStatus"}
# What a reader meets first.
WORDS = (
    "What this run read, ran and wrote, by content (seal.json), in fin_kedro's format. "
    "`python -I -S verify.py` computes the digests anew; it needs no library."
)


def export_crate(seal_path: Path, target: Path, *, project: Path, data: Data = "none") -> Path:
    """Write the run sealed at ``seal_path`` as an RO-Crate into the new folder ``target``.

    Args:
        seal_path: of a seal, or of an executed notebook that carries one.
        target: must not exist, or be empty.
        project: whose data folder and lock are taken from.
        data: which datasets are put in: ``none``, those ``written``, or ``all``. What a run read
            may be personal data.

    Raises SealError when the seal is broken, FileExistsError when ``target`` holds anything,
    FileNotFoundError when a dataset that is to be put in is gone. Then nothing is written.
    """
    seal = read_seal(seal_path)
    check_seal(seal)
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty; name a new folder with --to.")
    included = dict(_included(seal, data, project))
    _check_there(included, project)
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _build(seal, seal_path, included, project=project, scratch=draft).write(draft)
        shutil.rmtree(draft / ".seal", ignore_errors=True)
        if target.exists():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _included(seal: Mapping[str, Any], data: Data, project: Path) -> Iterator[tuple[str, str]]:
    """Names and paths of the datasets that are to be put in; what lies elsewhere is described."""
    parts = {"none": (), "written": ("written",), "all": ("read", "written")}[data]
    for part in parts:
        for name in seal["content"]["data"][part]:
            path = (seal["occasion"]["datasets"].get(name) or {}).get("path")
            if path and inside(project, path, links=True):
                yield name, path


def _check_there(included: Mapping[str, str], project: Path) -> None:
    gone = sorted(name for name, path in included.items() if not (project / path).exists())
    if gone:
        raise FileNotFoundError(
            f"{', '.join(gone)} of this run is no longer in {project}; export without data "
            "(--data none), or restore it."
        )


def _build(
    seal: Mapping[str, Any],
    seal_path: Path,
    included: Mapping[str, str],
    *,
    project: Path,
    scratch: Path,
) -> ROCrate:
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    _describe_root(crate, seal)
    _state_licence(crate, project)
    _add_files(crate, seal, seal_path, project=project, scratch=scratch)
    entities = {
        name: _dataset(crate, name, digest, seal, included, project)
        for part in ("read", "written")
        for name, digest in seal["content"]["data"][part].items()
    }
    _add_action(crate, seal, entities)
    return crate


def _describe_root(crate: ROCrate, seal: Mapping[str, Any]) -> None:
    profile = _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root = crate.root_dataset
    root["conformsTo"] = profile
    root["name"] = f"Run {seal['occasion'].get('run') or seal['digest'][:12]}"
    root["description"] = WORDS
    if finished := seal["occasion"].get("finished"):
        root["datePublished"] = finished


def _state_licence(crate: ROCrate, project: Path) -> None:
    """The project's licence, as its pyproject.toml states it (an SPDX expression), with its text.

    A project that states none keeps all rights; data have terms of their own.
    """
    path = project / "pyproject.toml"
    settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    stated = (settings.get("project") or {}).get("license")
    stated = stated.get("text") if isinstance(stated, Mapping) else stated
    if not stated:
        words = "All rights reserved; whoever exports a run says under which terms."
        crate.root_dataset["license"] = words
        return
    place = f"{SPDX}{stated}" if re.fullmatch(r"[A-Za-z0-9.+-]+", str(stated)) else "#licence"
    words = "The project's licence. Data that the run read have terms of their own."
    crate.root_dataset["license"] = _entity(
        crate, place, "CreativeWork", name=str(stated), description=words
    )
    if (text := project / LICENCE).is_file():
        _file(crate, text, LICENCE, f"The text of the licence, {stated}", "text/plain")


def _add_files(
    crate: ROCrate, seal: Mapping[str, Any], seal_path: Path, *, project: Path, scratch: Path
) -> None:
    """Put in the seal, the patch, the notebook, the lock if it is still the run's, the check."""
    held = scratch / ".seal"
    held.mkdir(parents=True)
    (held / "seal.json").write_text(json.dumps(seal, indent=1, sort_keys=True), encoding="utf-8")
    _file(crate, held / "seal.json", "seal.json", "The seal of the run", "application/json")
    patch = read_patch(seal_path)
    if patch is not None:
        (held / PATCH).write_bytes(patch)
        _file(crate, held / PATCH, PATCH, "What was not committed (git apply)", "text/x-diff")
    if seal_path.suffix == ".ipynb":
        kind = "application/x-ipynb+json"
        _file(crate, seal_path, seal_path.name, "The executed notebook", kind)
    lock = project / LOCK
    if lock.is_file() and file_hash(lock) == seal["content"]["environment"]["lock"]:
        _file(crate, lock, LOCK, "The libraries, by version and hash", "text/plain")
    for name, script in _scripts().items():
        words = str(ast.get_docstring(ast.parse(script.read_bytes()))).partition("\n")[0]
        _file(crate, script, name, words, "text/x-python")


def _scripts() -> dict[str, Path]:
    """The check, and the modules that it computes hashes by, each by its path in the crate."""
    modules = sorted(Path(str(canonical.__file__)).parent.glob("*.py"))
    return {"verify.py": Path(crate_check.__file__), **{f"canonical/{m.name}": m for m in modules}}


def _file(crate: ROCrate, source: Path, target: str, name: str, kind: str) -> Entity:
    properties = {"name": name, "encodingFormat": kind, "sha256": file_hash(source)}
    return crate.add_file(source, target, properties=properties)


def _dataset(
    crate: ROCrate,
    name: str,
    digest: str,
    seal: Mapping[str, Any],
    included: Mapping[str, str],
    project: Path,
) -> Entity:
    """A dataset: with its file or folder, or, left out, by name, version and hash only."""
    where = seal["occasion"]["datasets"].get(name) or {}
    words = {
        "name": name,
        "description": f"sha256 of its content, not of its bytes: {digest}",
        "version": where.get("version") or "",
    }
    path = included.get(name)
    if path is None:
        return _entity(crate, f"#{name}", "CreativeWork", **words)
    if (project / path).is_dir():
        return crate.add_dataset(project / path, path, properties=words)
    return crate.add_file(
        project / path, path, properties={**words, "sha256": where["file_sha256"]}
    )


def _add_action(crate: ROCrate, seal: Mapping[str, Any], entities: Mapping[str, Entity]) -> None:
    content, occasion = seal["content"], seal["occasion"]
    data = content["data"]
    action = crate.add_action(
        _instrument(crate, content),
        identifier=f"#{seal['digest']}",
        object=[
            *(entities[name] for name in data["read"]),
            *(
                _entity(crate, f"#params:{n}", "PropertyValue", name=n, value=_said(value))
                for n, value in content["parameters"].items()
            ),
        ],
        result=[entities[name] for name in data["written"]],
        properties={
            "name": f"{content['kind']} {_subject(content)}",
            "actionStatus": f"http://schema.org/{STATUS[content['outcome']]}",
        },
    )
    for key, name in (("startTime", "started"), ("endTime", "finished")):
        if occasion.get(name):
            action[key] = occasion[name]
    by = str(occasion.get("by") or "unknown")
    action["agent"] = _entity(crate, f"#by-{by}", "Person", name=by)
    if occasion.get("error"):
        action["error"] = f"{occasion['error']['name']}: {occasion['error']['message']}"
    crate.root_dataset["mentions"] = [action]


def _instrument(crate: ROCrate, content: Mapping[str, Any]) -> Entity:
    code, python = content["code"], content["environment"]["python"]
    dirty = ", with patch.diff" if code["dirty"] else ""
    return _entity(
        crate, "#fin_kedro", "SoftwareApplication", name="fin_kedro",
        version=f"{code['commit'] or 'no commit'}{dirty}; sources {code['package']}",
        softwareRequirements=f"{python['implementation']} {python['version']}, {LOCK} "
        f"{content['environment']['lock']}",
    )  # fmt: skip


def _subject(content: Mapping[str, Any]) -> str:
    subject = content["subject"]
    return str(subject.get("notebook") or ", ".join(subject.get("pipelines", [])))


def _said(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _entity(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    from rocrate.model.contextentity import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))
