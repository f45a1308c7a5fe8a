"""What the seals say of how each output was made, and what lies in the project now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from fin_kedro.changes.staleness import (
    ELSEWHERE,
    GONE,
    UNSEALED,
    Making,
    Reason,
    Step,
    code_changes,
)
from fin_kedro.project.config import ProjectConfigLoader
from fin_kedro.project.evidence import open_catalog
from fin_kedro.project.policy import policy_of
from fin_kedro.seals.code_state import _needed, source_folder
from fin_kedro.seals.modules import Sources, named_in, notebook_hash, prose_hash
from fin_kedro.seals.seal import DATASET, SealError, _plain, read_seal
from fin_kedro.storage.canonical import file_hash
from fin_kedro.storage.dataset_state import DatasetStates

RUN_CONTEXT = "params:run_context"
# A report shows its notebook's prose, which changes no figure.
PROSE = " (prose)"
# Of the policy, what a node that is told the run's context goes by.
JUDGED_BY = ("gates", "validation")


def step_of(node: Node) -> Step:
    """A node as staleness sees it; the run's context stands for its workflow's policy."""
    reads = [n for n in node.inputs if not _is_parameter(n)]
    given = [n.removeprefix("params:") for n in node.inputs if _is_parameter(n)]
    if RUN_CONTEXT in node.inputs:
        workflow = (node.namespace or "").split(".")[0]
        given = [f"policy:{workflow}" if n == "run_context" else n for n in given]
    plain = [tuple(map(_without_transcoding, names)) for names in (reads, node.outputs)]
    return Step(node.name, plain[0], tuple(given), plain[1])


class Project:
    """The evidence that staleness is judged by: seals on disk, and code, conf and data as they are.

    Args:
        root: the project's folder.
        pipeline: the nodes to judge.
        loader: its conf, of the environment and with the parameters that a run would have.
        load_versions: versions that a run would read in place of the newest.
    """

    def __init__(
        self,
        root: Path,
        pipeline: Pipeline,
        loader: ProjectConfigLoader,
        load_versions: Mapping[str, str] | None = None,
    ) -> None:
        self.root = Path(root).resolve()
        self.steps = [step_of(node) for node in pipeline.nodes]
        self._nodes = {node.name: node for node in pipeline.nodes}
        self._catalog: DataCatalog = open_catalog(
            project_path=self.root, versions=load_versions, loader=loader
        )
        self.data = self.root / str(loader["globals"].get("data", "data"))
        self._parameters: Mapping[str, Any] = loader["parameters"]
        self._policy = _policy_in_force(loader)
        self._names = {_without_transcoding(n): n for n in pipeline.datasets()}
        self._sources = Sources(source_folder())
        self._states = DatasetStates(self.root)
        self._seals: dict[str, dict[str, Any] | None] = {}
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._contents: dict[tuple[str, str], str] = {}  # dataset and file hash → content hash
        self._code: dict[str, Mapping[str, str]] = {}

    # What is there now

    def kept(self, dataset: str) -> bool:
        """Whether a dataset outlives the run."""
        found = self._dataset(dataset)
        return found is not None and not (found._EPHEMERAL and not hasattr(found, "_dataset"))

    def path(self, dataset: str) -> Path | None:
        """Where the version lies that a run would load; None when there is none."""
        found = self._dataset(dataset)
        if found is None:
            return None
        find = getattr(found, "_get_load_path", None)
        try:
            found.release()  # it remembers which version was the newest
            raw = str(find() if find else getattr(found, "_filepath", ""))
        except DatasetError:
            return None
        return Path(raw) if raw and Path(raw).exists() else None

    def content(self, dataset: str) -> str | None:
        """Content hash of what a run would load."""
        path = self.path(dataset)
        if path is None or self._is_elsewhere(dataset):
            return None
        self.seal(path.parent.name)  # what it wrote and read need not be hashed again
        key = (dataset, self._file_hash(path))
        if key not in self._contents:
            state = self._states.of(self._dataset(dataset))
            self._contents[key] = state.content if state else key[1]
        return self._contents[key]

    def code(self, node: str) -> Mapping[str, str]:
        """Everything a node rests on: modules, files beside them, notebooks, with their hashes."""
        if node not in self._code:
            found = dict(_needed(self._nodes[node].func, self._sources))
            step = next(step for step in self.steps if step.name == node)
            for value in (self.parameter(n) for n in step.parameters if not _is_policy(n)):
                modules, notebooks = named_in(value, self.root, self._sources)
                found |= self._sources.closure(*modules)
                for path in notebooks:
                    found |= self._sources.notebook_closure(path)
                    name = self._states.relative(path.as_posix())
                    found |= {name: notebook_hash(path), f"{name}{PROSE}": prose_hash(path)}
            self._code[node] = found
        return self._code[node]

    def parameter(self, name: str) -> Any:
        """The value of a parameter now, as a seal records it."""
        if _is_policy(name):
            return self._inside(_judged_by(self._policy, name))
        value: Any = self._parameters
        for key in name.split(".") if name != "parameters" else ():
            value = value.get(key) if isinstance(value, Mapping) else None
        return self._inside(value)

    # What the seals say

    @cached_property
    def runs(self) -> dict[str, Path]:
        """Runs that left a seal, newest first, with its path."""
        if DATASET not in self._catalog:
            raise SealError(f"the catalog has no dataset {DATASET!r}; without it nothing is known.")
        base = Path(str(getattr(self._catalog.get(DATASET), "_filepath", "")))
        paths = sorted(base.glob(f"*/{base.name}"), reverse=True)
        return {path.parent.name: path for path in paths}

    def seal(self, run: str) -> dict[str, Any] | None:
        """The seal of a run; None when there is none, or it cannot be read."""
        if run not in self._seals:
            try:
                self._seals[run] = read_seal(self.runs[run]) if run in self.runs else None
            except (SealError, OSError):
                self._seals[run] = None
            self._learn(self._seals[run])
        return self._seals[run]

    def _learn(self, seal: Mapping[str, Any] | None) -> None:
        """Note which content a file with these bytes has."""
        data = seal["content"]["data"] if seal else {}
        contents = {**data.get("read", {}), **data.get("written", {})}
        for name, facts in (seal["occasion"].get("datasets", {}) if seal else {}).items():
            if name in contents and facts.get("file_sha256"):
                key = (_without_transcoding(name), facts["file_sha256"])
                self._contents[key] = contents[name]

    def origin(self, dataset: str) -> str:
        """The run that made what is there now."""
        if self._is_elsewhere(dataset):
            return ELSEWHERE
        path = self.path(dataset)
        if path is None:
            return GONE
        version = getattr(self._dataset(dataset), "_version", None)
        runs = [path.parent.name] if version else list(self.runs)
        return next((run for run in runs if self._written(run, dataset)), UNSEALED)

    def spoilt(self, dataset: str) -> bool:
        """Whether what is there is not what its run wrote."""
        written = self._written(self.origin(dataset), dataset)
        return written is not None and self.content(dataset) != written

    def making(self, run: str, node: str) -> Making | None:
        """What a node was given in a run; None unless it ran there to its end."""
        seal = self.seal(run)
        if seal is None or (seal["occasion"].get("error") or {}).get("step") == node:
            return None
        content = seal["content"]
        step = content["steps"].get(node)
        if step is None and node not in seal["occasion"].get("seconds_by_step", {}):
            return None
        read = (step or {}).get("read", {})
        return Making(
            code=_code_of(content["code"]),
            parameters=_Given(content["parameters"]),
            read={_without_transcoding(n): h for n, h in read.items() if not _is_parameter(n)},
        )

    def last_run(self, node: str, until: str | None = None) -> str | None:
        """The newest run that ran a node to its end, up to and with a run if one is named."""
        runs = (run for run in self.runs if until is None or run <= until)
        return next((run for run in runs if self.making(run, node) is not None), None)

    def _written(self, run: str, dataset: str) -> str | None:
        seal = self.seal(run)
        written = seal["content"]["data"]["written"] if seal else {}
        return {_without_transcoding(name): digest for name, digest in written.items()}.get(dataset)

    def notebook_changes(self, path: Path) -> list[Reason] | None:
        """What changed since a notebook was executed (it carries its seal); None without a seal."""
        try:
            content = read_seal(path)["content"]
        except (SealError, OSError):
            return None
        source = self.root / str(content["subject"].get("notebook"))
        if not source.is_file():
            return [Reason("code", source.name, "is not there")]
        name = self._states.relative(source.as_posix())
        now = {name: notebook_hash(source), f"{name}{PROSE}": prose_hash(source)}
        now |= self._sources.notebook_closure(source)
        read = content["data"]["read"]
        found = {n: self.content(n) for n in read if self._dataset(n) is not None}
        return code_changes(_code_of(content["code"]), now) + [
            Reason("data", n, "changed") for n, digest in found.items() if digest != read[n]
        ]

    # How it is looked up

    def _dataset(self, name: str) -> Any:
        name = self._names.get(name, name)
        return self._catalog.get(name) if name in self._catalog else None

    def _is_elsewhere(self, dataset: str) -> bool:
        """Whether a dataset is no local file: a database, an object store, MLflow."""
        found = self._dataset(dataset)
        local = getattr(found, "_protocol", None) in ("file", "local", "", None)
        return not (hasattr(found, "_filepath") and local)

    def _file_hash(self, path: Path) -> str:
        found = path.stat()
        key = (path.as_posix(), found.st_mtime_ns, found.st_size)
        if key not in self._hashes or path.is_dir():
            self._hashes[key] = file_hash(path)
        return self._hashes[key]

    def _inside(self, value: Any) -> Any:
        """A value as a seal has it: paths seen from the project, and what JSON can say."""
        if isinstance(value, Mapping):
            return {str(key): self._inside(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._inside(inner) for inner in value]
        return self._states.relative(value) if isinstance(value, str) else _plain(value)


def _policy_in_force(loader: ProjectConfigLoader) -> Mapping[str, Any]:
    try:
        return dict(loader["policy"])
    except MissingConfigException:
        return {}


def _code_of(code: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of modules and notebooks of a run, by name."""
    prose = {f"{name}{PROSE}": digest for name, digest in code.get("prose", {}).items()}
    return {**code.get("modules", {}), **code.get("notebooks", {}), **prose}


class _Given(dict[str, Any]):
    """A seal's parameters; a workflow's part of the policy is taken out of the whole."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a parameter as the run had it."""
        if _is_policy(key):
            return _judged_by(self["policy"], key) if "policy" in self else default
        return super().get(key, default)


def _judged_by(policy: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What of the policy binds the workflow named in ``policy:<workflow>``."""
    whole = policy_of(policy, name.removeprefix("policy:"))
    return {section: whole[section] for section in JUDGED_BY if section in whole}


def _is_policy(name: str) -> bool:
    return name.startswith("policy:")


def _is_parameter(name: str) -> bool:
    return name.startswith("params:") or name == "parameters"


def _without_transcoding(name: str) -> str:
    """``table@pandas`` and ``table@spark`` are one dataset."""
    return name.partition("@")[0]
