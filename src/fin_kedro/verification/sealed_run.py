"""A sealed run of a project, opened by what a person names it: what its seal says, its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.seals.code_state import package_hash
from fin_kedro.seals.modules import notebook_hash
from fin_kedro.seals.seal import SealError, find_seal, is_release, read_patch, read_seal
from fin_kedro.storage.canonical import inside

PIPELINE, NOTEBOOK = "pipeline", "notebook"
SEAL_FILE = "seal.json"
UNREADABLE = (OSError, ValueError, KeyError, TypeError)  # what a torn or foreign seal raises


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A sealed run of a project: where its seal lies, what it says, its patch.

    ``steps``: those to verify; None for all. A report is one step of its run.
    """

    project: Path
    path: Path
    seal: Mapping[str, Any]
    patch: str | None = None
    env: str | None = None
    steps: tuple[str, ...] | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        """What the seal's digest covers."""
        content: Mapping[str, Any] = self.seal["content"]
        return content

    @property
    def run(self) -> str:
        """The run's id; a notebook's path."""
        return str(self.occasion.get("run") or self.path.stem)

    @property
    def occasion(self) -> Mapping[str, Any]:
        """Times, versions and places; empty for a notebook, which carries none."""
        occasion: Mapping[str, Any] = self.seal.get("occasion", {})
        return occasion

    @property
    def is_notebook(self) -> bool:
        """Whether a notebook was executed by itself, and no pipeline."""
        return str(self.content["kind"]) == NOTEBOOK

    @property
    def raw(self) -> frozenset[str]:
        """Names of the datasets that the run read and did not make."""
        return frozenset(self.content["data"]["read"])

    @property
    def subject(self) -> str:
        """What was run, in a few words."""
        subject = self.content["subject"]
        if self.is_notebook:
            return str(subject["notebook"])
        chosen = [f"{k} {', '.join(v)}" for k, v in subject["selection"].items() if v]
        env = f" --env {subject['env']}" if subject.get("env") else ""
        return ", ".join([*(self.steps or subject["pipelines"]), *chosen]) + env

    def file_of(self, name: str) -> Path | None:
        """The file of a dataset as the run left it; None when it is gone."""
        return recorded_file(self.seal, self.project, name)

    def needed_by(self, steps: Sequence[str]) -> list[str]:
        """What some steps read and none of them makes."""
        entries = [self.content["steps"][step] for step in steps]
        made = {name for entry in entries for name in entry["written"]}
        read = {name for entry in entries for name in entry["read"]}
        return sorted(n for n in read - made if not n.startswith("params:") and n != "parameters")

    @property
    def lacks_patch(self) -> bool:
        """Whether the seal lacks a part of its code, withheld as it showed a secret."""
        return "patch_withheld" in self.content["code"]

    def is_code_of_tree(self) -> bool:
        """Whether the tree as it stands is the sealed code: package, and the notebooks used."""
        code = self.content["code"]
        notebooks = {n: self.project / n for n in code.get("notebooks") or {}}
        return package_hash(self.project / "src") == code.get("package") and all(
            path.is_file() and notebook_hash(path) == code["notebooks"][name]
            for name, path in notebooks.items()
        )


def open_sealed(project: Path, run: str, env: str | None = None) -> Sealed:
    """The sealed run that a person names: an id or prefix, ``latest``, or a path.

    A path is of a seal, an executed notebook or a report. Raises SealError when there is none.
    """
    path = find_seal(project, run, env).resolve()
    if found := _step_of_run(path):
        path, steps = found
    else:
        steps = None
    seal, patch = read_seal(path), read_patch(path)
    if _releases(seal):
        raise SealError(
            f"{path.parent.name} is a release. It builds a bento from what the ledger says is "
            "approved, so it is not executed again; `kedro seal check "
            f"{path.parent.name}` compares it with its seal. Verify the run that trained the "
            "model: `kedro verify latest`, which skips releases."
        )
    return Sealed(
        project=project,
        path=path,
        seal=_with_occasion(path, seal),
        patch=None if patch is None else patch.decode("utf-8", "surrogateescape"),
        env=seal.get("content", {}).get("subject", {}).get("env"),
        steps=steps,
    )


def _releases(seal: Mapping[str, Any]) -> bool:
    try:
        return is_release(seal["content"])
    except (KeyError, TypeError, AttributeError):
        return False  # a torn seal: whoever reads it says so


def recorded_file(seal: Mapping[str, Any], project: Path, name: str) -> Path | None:
    """Where the seal says that a dataset lies, to be read; None when it is not there."""
    place = seal.get("occasion", {}).get("datasets", {}).get(name, {}).get("path")
    if not place:
        return None
    path = Path(place) if Path(place).is_absolute() else inside(project, place, links=True)
    return path if path and path.exists() else None


def _step_of_run(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """The run's seal, and the step that wrote this file, when the file is an output of a run."""
    if path.name == SEAL_FILE:
        return None
    for folder in path.parents[1:5]:
        seal = folder / SEAL_FILE / path.parent.name / SEAL_FILE
        if not seal.is_file():
            continue
        content = read_seal(seal)
        for name, place in content["occasion"]["datasets"].items():
            steps = content["content"]["steps"].items()
            makers = [step for step, entry in steps if name in entry["written"]]
            if makers and path.as_posix().endswith(f"/{place['path']}"):
                return seal, tuple(makers)
    return None


def _with_occasion(path: Path, seal: dict[str, Any]) -> dict[str, Any]:
    """The seal of a notebook with its occasion, which lies beside the notebook if anywhere."""
    beside = path.with_name("occasion.json")
    if "occasion" not in seal and beside.is_file():
        return {**seal, "occasion": json.loads(beside.read_text(encoding="utf-8"))}
    return seal
