"""The making of a run's seal: what each node read and wrote, by content, while the run goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from fin_kedro.project.policy import policy_of
from fin_kedro.project.summary import env_option
from fin_kedro.seals.code_state import code_state, source_folder
from fin_kedro.seals.modules import Sources, named_in
from fin_kedro.seals.seal import DATASET, PATCH, make_seal
from fin_kedro.seals.seal_entries import anchors
from fin_kedro.seals.surroundings import LOCK, hash_seed, surroundings
from fin_kedro.seals.syntax_trees import one_syntax_tree_at_a_time
from fin_kedro.seals.withholding import screened
from fin_kedro.storage.canonical import json_hash
from fin_kedro.storage.dataset_state import DatasetState, DatasetStates, known_state
from sealed_kernel.environment import compare

if TYPE_CHECKING:
    from fin_kedro.governance.ledger import Entry

RUN_CONTEXT = "params:run_context"
SELECTION = (
    *("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs", "namespaces"),
)


class RunRecord:
    """Collects what a run's seal holds; a thread beside the run computes the hashes.

    Args:
        root: project folder; paths are kept relative to it.
        env: conf environment, as a node is told it.
        policy: what is in force (``policy*.yml``).
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        env: str = "base",
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        self.root, self._env = root or Path.cwd(), env
        self._policy = dict(policy or {})
        self._helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seal")
        self._states = DatasetStates(self.root, self._helper)
        self._run: Mapping[str, Any] = {}
        self._pipeline = Pipeline([])
        self._catalog: Any = None
        self._began: dict[str, float] = {}
        self.patch: bytes | None = None
        self.sealing_seconds = 0.0  # that the run waited
        self.beside_seconds = 0.0  # of a processor, in the helping thread

    def start(self, run_params: Mapping[str, Any], pipeline: Pipeline, catalog: Any) -> None:
        """Note the code and the surroundings as they are when the run begins."""
        with self._timed():
            self._run, self._pipeline, self._catalog = run_params, pipeline, catalog
            self._steps: dict[str, dict[str, dict[str, DatasetState]]] = {}
            self._seconds: dict[str, float] = {}
            self._error: dict[str, Any] | None = None
            self._started = datetime.now(UTC)
            self._parameters = self._resolved_parameters()
            self._environment = surroundings(self.root)
            self._check_key()
            with ExitStack() as turns:
                turns.enter_context(one_syntax_tree_at_a_time())
                self._code = self._helper.submit(self._code_of, pipeline)
                self._code.add_done_callback(partial(_end, turns.pop_all()))

    def _check_key(self) -> None:
        """A run whose end could not be signed, or whose ledger was replaced, does not begin."""
        from fin_kedro.governance.ledger import Ledger

        for path in self.ledgers():
            Ledger(path).check_anchors()
            Ledger(path).prepare()

    def _code_of(self, pipeline: Pipeline) -> tuple[dict[str, Any], bytes | None]:
        """The code of the nodes, and what their parameters name: modules and notebooks."""
        sources = Sources(source_folder())
        found = [named_in(value, self.root, sources) for value in self._parameters.values()]
        return code_state(
            self.root,
            functions={node.name: node.func for node in pipeline.nodes},
            notebooks=sorted({path for _, notebooks in found for path in notebooks}),
            named=sorted({module for modules, _ in found for module in modules}),
        )

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """What sealing costs is measured, and said with the run."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.sealing_seconds += time.perf_counter() - began

    # What a run reads and writes

    def add(self, direction: str, name: str, node: Node) -> None:
        """Record that ``node`` read or wrote (``direction``) dataset ``name``."""
        with self._timed():
            state = self._state(name, node)
            if state is not None:
                step = self._steps.setdefault(node.name, {"read": {}, "written": {}})
                step[direction][name] = state

    def _state(self, name: str, node: Node) -> DatasetState | None:
        if name == RUN_CONTEXT:
            return known_state(json_hash(self.context_of(node)))
        if name.startswith("params:") or name == "parameters":
            return known_state(json_hash(self._parameters[name.removeprefix("params:")]))
        return self._states.of(self._catalog.get(name))

    def context_of(self, node: Node) -> dict[str, Any]:
        """What a node that asks is told and that is the same in every run: env and its gates."""
        workflow = (node.namespace or "").split(".")[0]
        return {"env": self._env, "gates": policy_of(self._policy, workflow)["gates"]}

    def given_to(self, node: Node) -> dict[str, Any]:
        """Versions and paths of what a node just read: ``{"versions": {}, "paths": {}}``."""
        read = self._steps.get(node.name, {"read": {}})["read"]
        return {
            "versions": {name: state.version for name, state in read.items() if state.version},
            "paths": {n: str(self.root / state.path) for n, state in read.items() if state.path},
        }

    # Time and errors

    def begin_step(self, node: Node) -> None:
        """A node, or the saving of what it made, begins."""
        self._began[node.name] = time.perf_counter()

    def end_step(self, node: Node) -> None:
        """It ended; a step's seconds include saving, as tables are computed then."""
        began = self._began.pop(node.name, None)
        if began is not None:
            passed = time.perf_counter() - began
            self._seconds[node.name] = self._seconds.get(node.name, 0.0) + passed

    def fail(self, error: BaseException, node: Node | None = None) -> None:
        """Note what stopped the run; the first report of an error names its node."""
        if self._error is None:
            step = node.name if node else None
            self._error = {"step": step, "name": type(error).__name__, "message": str(error)}

    # Parameters

    def _resolved_parameters(self) -> dict[str, Any]:
        """Values of the parameters that nodes take, and the policy that judges the result."""
        names = {n for node in self._pipeline.nodes for n in node.inputs if _is_parameter(n)}
        values = {
            n.removeprefix("params:"): self._inside(self._catalog.load(n))
            for n in sorted(names - {RUN_CONTEXT})
        }
        return screened(self.root, {**values, "policy": self._inside(self._policy)})

    def _inside(self, content: Any) -> Any:
        """Paths inside the project, seen from it: the same parameters hash the same anywhere."""
        if isinstance(content, Mapping):
            return {key: self._inside(value) for key, value in content.items()}
        if isinstance(content, list | tuple):
            return [self._inside(value) for value in content]
        return self._states.relative(content) if isinstance(content, str) else content

    # The seal

    def seal(self, outcome: str) -> dict[str, Any]:
        """Return the seal of the run as it is now; ``outcome``: completed or failed."""
        with self._timed():
            if not self._steps and outcome == "completed":
                self._look_again()
            code, self.patch = self._code.result()
            self.beside_seconds = self._helper.submit(time.thread_time).result()
            content = {
                "kind": "pipeline",
                "subject": self._subject(outcome),
                "environment": self._environment,
                "code": code,
                "parameters": self._parameters,
                "steps": {name: _contents(step) for name, step in sorted(self._steps.items())},
                "data": self._data(),
                "outcome": outcome,
            }
        return make_seal(content, self._occasion())

    def close(self) -> None:
        """Let the helping thread go; a notebook may run many pipelines in one process."""
        self._helper.shutdown(wait=False)

    def _look_again(self) -> None:
        """Kedro's ParallelRunner tells no hook what it loads and saves: look when it has ended."""
        for node in self._pipeline.nodes:
            for name in node.inputs:
                self.add("read", name, node)
            for name in node.outputs:
                self.add("written", name, node)

    def _subject(self, outcome: str) -> dict[str, Any]:
        names = self._run.get("pipeline_names") or self._run.get("pipeline_name")
        return {
            "pipelines": [names] if isinstance(names, str) else list(names or ["__default__"]),
            "env": self._run.get("env"),
            "selection": {key: list(self._run.get(key) or []) for key in SELECTION}
            | self._left_out(outcome),
        }

    def _left_out(self, outcome: str) -> dict[str, list[str]]:
        """The names of the nodes that ran, where a completed run needed fewer than were chosen."""
        every, ran = {node.name for node in self._pipeline.nodes}, set(self._seconds)
        fewer = outcome == "completed" and ran and ran < every
        return {"node_names": sorted(ran)} if fewer else {}

    def _data(self) -> dict[str, dict[str, str]]:
        """Datasets by content: what was read and not made here, and what was written."""
        read, written = self._all("read"), self._all("written")
        outside = {n: s for n, s in read.items() if n not in written and not _is_parameter(n)}
        parts = {"read": outside, "written": written}
        return {d: {n: state.content for n, state in p.items()} for d, p in parts.items()}

    def _all(self, direction: str) -> dict[str, DatasetState]:
        return {n: state for step in self._steps.values() for n, state in step[direction].items()}

    def _occasion(self) -> dict[str, Any]:
        # imported when a run ends: each start of Kedro imports this module
        from fin_kedro.governance.registry import current_user

        finished = datetime.now(UTC)
        states = {**self._all("read"), **self._all("written")}
        return {
            "run": self._run.get("run_id"),
            "mlflow_run": _mlflow_run_id(),
            "started": self._started.isoformat(timespec="milliseconds"),
            "finished": finished.isoformat(timespec="milliseconds"),
            "seconds": round((finished - self._started).total_seconds(), 3),
            "sealing": {
                "waited": round(self.sealing_seconds, 3),
                "beside": round(self.beside_seconds, 3),
            },
            "by": current_user(),
            "ledgers": self._heads(),
            "host_cores": os.cpu_count(),
            "hash_seed": hash_seed(),
            "runner": str(self._run.get("runner")).partition(" ")[0].rpartition(".")[2],
            "datasets": {n: s.occasion for n, s in sorted(states.items()) if s.occasion},
            "seconds_by_step": {n: round(s, 3) for n, s in self._seconds.items()},
            "runtime_params": screened(self.root, self._run.get("runtime_params") or {}),
            "load_versions": self._run.get("load_versions") or {},
            "libraries": dict(compare(self.root / LOCK).libraries),
            "error": self._error,
        }

    def _heads(self) -> dict[str, str]:
        """The ledgers' heads before this seal is entered: they tell of one rolled back later."""
        from fin_kedro.governance.anchors import name_of
        from fin_kedro.governance.ledger import Ledger

        heads = {path: Ledger(path).head() for path in self.ledgers()}
        return {name_of(path): head for path, head in heads.items() if head}

    def candidates(self) -> list[Mapping[str, Any]]:
        """Model versions that this run registered."""
        names = [n for n in self._all("written") if n.endswith(".candidate")]
        return [self._catalog.load(name) for name in names]

    def ledgers(self) -> list[str]:
        """Ledgers of the workflows whose nodes ran, each once."""
        spaces = {(node.namespace or "").split(".")[0] for node in self._pipeline.nodes}
        names = [n for space in sorted(spaces) if (n := f"params:{space}.release") in self._catalog]
        return sorted({str(self._catalog.load(n)["ledger"]) for n in names})


def _is_parameter(name: str) -> bool:
    return name.startswith("params:") or name == "parameters"


def _contents(step: Mapping[str, Mapping[str, DatasetState]]) -> dict[str, dict[str, str]]:
    return {d: {n: s.content for n, s in sorted(step[d].items())} for d in ("read", "written")}


def _end(turns: ExitStack, _: Future[Any]) -> None:
    """The code has been read: others may build syntax trees as they like."""
    turns.close()


def _mlflow_run_id() -> str | None:
    """The MLflow run that is open; MLflow is not imported to find out."""
    mlflow = sys.modules.get("mlflow")
    run = mlflow.active_run() if mlflow is not None else None
    return str(run.info.run_id) if run else None


# Keeping a seal


def keep_seal(record: RunRecord, outcome: str, catalog: Any) -> str:
    """Keep a run's seal beside the data, in the ledger, and in MLflow when a run is open.

    The ledger's entry is signed: it says that this run had this seal then, and whose key said so.
    Returns what a person reads: the digest, what it cost, the ledger's head, and the command that
    shows it.
    """
    from fin_kedro.governance.anchors import keep_heads, tag_of

    seal = record.seal(outcome)
    began = time.perf_counter()
    place, patch = _save(record, seal, catalog)
    entries = _enter(record, seal)
    heads = dict(zip(record.ledgers(), (entry.head for entry in entries), strict=True))
    if heads and place:
        keep_heads(place, heads)
    if seal["occasion"]["mlflow_run"]:
        _log_to_mlflow(record, seal, patch, {**anchors(entries), **tag_of(heads)})
    record.close()
    cost = record.sealing_seconds + time.perf_counter() - began
    run, env = seal["occasion"]["run"], seal["content"]["subject"]["env"]
    said = " and ".join(f"{e.number}:{e.hash[:16]}" for e in entries)
    entered = f"entered in the ledger as {said}; " if said else ""
    return (
        f"  sealed as {seal['digest'][:12]} (the run waited {cost:.1f} s for it; hashing in the "
        f"background took {record.beside_seconds:.1f} s of processor time)\n"
        f"  {entered}read the seal: kedro seal show {run}{env_option(env)}"
    )


def _save(
    record: RunRecord, seal: Mapping[str, Any], catalog: Any
) -> tuple[Path | None, Path | None]:
    """Write patch and seal, the seal last: where it is, all of it is. Returns the paths of both."""
    if DATASET not in catalog:
        return None, None
    dataset = catalog.get(DATASET)
    place = Path(str(dataset._get_save_path())) if hasattr(dataset, "_get_save_path") else None
    patch = place.with_name(PATCH) if place and record.patch else None
    if patch and record.patch:
        patch.parent.mkdir(parents=True, exist_ok=True)
        patch.write_bytes(record.patch)
    catalog.save(DATASET, dict(seal))
    return place, patch


def _log_to_mlflow(
    record: RunRecord, seal: Mapping[str, Any], patch: Path | None, heads: Mapping[str, str]
) -> None:
    import mlflow
    from mlflow.entities import RunTag

    read = seal["content"]["data"]["read"]
    tags = {"seal": seal["digest"], **{f"data.{name}": digest for name, digest in read.items()}}
    client = mlflow.MlflowClient()
    client.log_batch(
        seal["occasion"]["mlflow_run"],
        tags=[RunTag(name, value) for name, value in {**tags, **heads}.items()],
    )
    mlflow.log_dict(dict(seal), "seal.json")
    if patch:
        mlflow.log_artifact(str(patch))
    for candidate in record.candidates():
        for name, value in tags.items():
            client.set_model_version_tag(candidate["workflow"], candidate["version"], name, value)


def _enter(record: RunRecord, seal: Mapping[str, Any]) -> list[Entry]:
    """Enter the seal in the ledger of each workflow that ran; most often they share one."""
    from fin_kedro.governance.ledger import Ledger

    content, occasion = seal["content"], seal["occasion"]
    return [
        Ledger(path).append(
            event="run_sealed",
            run=occasion["run"],
            seal=seal["digest"],
            outcome=content["outcome"],
            pipelines=content["subject"]["pipelines"],
            env=content["subject"]["env"],
            by=occasion["by"],
        )
        for path in record.ledgers()
    ]
