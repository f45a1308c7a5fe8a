"""Kedro hooks: what a run shows, what it records, and the threads it uses."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from fin_kedro.project.config import data_folder
from fin_kedro.project.faults import close_killed_runs, tell_plainly
from fin_kedro.project.loads import note_data
from fin_kedro.project.run_locks import RunLocks, waits
from fin_kedro.project.summary import (
    RunClock,
    leave_out_traceback,
    print_failure,
    print_stop,
    print_summary,
    resume_command,
)
from fin_kedro.seals.sealing import RUN_CONTEXT, RunRecord, keep_seal
from fin_kedro.storage.mlflow_tables import prepare_tables
from fin_kedro.storage.pins import pin_versions
from fin_kedro.storage.spill import spill_into
from fin_kedro.storage.whole_versions import keep_versions_whole
from sealed_kernel.fixed import asked_threads


class WholeVersionHooks:
    """A version of a dataset is visible whole or not at all, in a run and in a notebook.

    Of runs of one workflow one is at work at a time, and a run reads nothing that another one
    writes meanwhile.
    """

    def __init__(self) -> None:
        self._data = Path()
        self._locks = RunLocks(self._data)

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Name the data folder: to sentences about a full disk, and to what exceeds memory.

        MLflow's tables are made whole here, before kedro-mlflow opens them.
        """
        data = data_folder(context.config_loader, context.project_path)
        tell_plainly(data)
        spill_into(data)
        self._data = data
        with suppress(MissingConfigException):
            prepare_tables(context.config_loader["mlflow"])

    @hook_impl(tryfirst=True, wrapper=True)
    def before_pipeline_run(
        self, run_params: Mapping[str, Any], pipeline: Pipeline, catalog: Any
    ) -> Generator[None, Any, Any]:
        """Wait for the turn, fix which versions are read, and close MLflow's killed runs."""
        workflows = {(node.namespace or "").split(".")[0] or "project" for node in pipeline.nodes}
        self._locks.release()  # of a run that somebody interrupted in this notebook
        self._locks = RunLocks(self._data)
        self._locks.take(workflows, str(run_params.get("run_id")), wait=waits())
        try:
            pin_versions(catalog, sorted(pipeline.datasets()))
            answers = yield  # the other hooks; then MLflow's run is open
            close_killed_runs()
            return answers
        except BaseException:
            self._locks.release()
            raise

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Let the next run of these workflows begin, once this one is sealed."""
        self._locks.release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Let the next run of these workflows begin."""
        self._locks.release()

    @hook_impl(tryfirst=True)
    def after_catalog_created(self, catalog: Any) -> None:
        """Let every versioned dataset of the project save in one step."""
        keep_versions_whole(catalog)


class ThreadHooks:
    """BLAS uses one thread, or as many as are asked for, and never the machine's cores.

    Its sums depend on how many there are.
    """

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self) -> None:
        """Set BLAS's threads (`FIN_KEDRO_THREADS`); CatBoost has its own constant thread count."""
        import matplotlib
        from threadpoolctl import threadpool_limits

        matplotlib.use("agg")
        self._limits = threadpool_limits(limits=asked_threads(), user_api="blas")

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Lift the limits."""
        self._limits.restore_original_limits()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Lift the limits."""
        self._limits.restore_original_limits()


class SealHooks:
    """Seals a run: what each node read and wrote, by content, and what it ran on."""

    def __init__(self) -> None:
        self._record = RunRecord()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember project, environment and the policy in force."""
        policy = context.config_loader["policy"]
        self._record = RunRecord(context.project_path, env=context.env or "base", policy=policy)

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """In a kernel, let the notebook's sign and seal say which data it loads and saves."""
        note_data(catalog, root=self._record.root)

    @hook_impl
    def before_pipeline_run(
        self, run_params: Mapping[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Note code, parameters and surroundings as the run finds them."""
        self._record.start(run_params, pipeline, catalog)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Record a read."""
        self._record.add("read", dataset_name, node)

    @hook_impl
    def before_dataset_saved(self, node: Node) -> None:
        """Saving is the node's time too: tables are computed then."""
        self._record.begin_step(node)

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Record a write."""
        self._record.end_step(node)
        self._record.add("written", dataset_name, node)

    @hook_impl
    def before_node_run(self, node: Node) -> dict[str, Any] | None:
        """Tell a node that asks which versions it was given, and its workflow's gates."""
        self._record.begin_step(node)
        if RUN_CONTEXT not in node.inputs:
            return None
        given = {**self._record.context_of(node), **self._record.given_to(node)}
        return {RUN_CONTEXT: given}

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        """Note its time."""
        self._record.end_step(node)

    @hook_impl(tryfirst=True)
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Note which node failed."""
        self._record.fail(error, node)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, catalog: Any) -> None:
        """Keep the seal with the run's data, in MLflow before its run ends, and in the ledger."""
        said = keep_seal(self._record, "completed", catalog)
        print(said, file=sys.stderr, flush=True)

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self, error: Exception, catalog: Any) -> None:
        """Keep the seal of a failed run too; what stopped the run is what a person must read."""
        self._record.fail(error)
        with suppress(Exception):  # a full disk stops the seal as well: then there is none
            keep_seal(self._record, "failed", catalog)


class ProgressHooks:
    """One line per node, a table at the end, and a way on after a failure."""

    def __init__(self) -> None:
        self._clock = RunClock()
        self._done = 0
        self._all = 0
        self._reported: Exception | None = None
        self._run: Mapping[str, Any] = {}
        self._pipeline = Pipeline([])
        self._saved: set[str] = set()
        self._waiting: set[str] = set()

    @hook_impl
    def before_pipeline_run(self, run_params: Mapping[str, Any], pipeline: Pipeline) -> None:
        """Count the nodes."""
        self._clock = RunClock(libraries=_library_seconds())
        self._done, self._all = 0, len(pipeline.nodes)
        self._run, self._pipeline, self._saved = run_params, pipeline, set()

    @hook_impl
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """A table is an expression until it is saved: that time is the node's own work."""
        if dataset_name in self._waiting:
            self._clock.start_node(node.name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Note what a resumed run need not make again."""
        self._saved.add(dataset_name)
        if dataset_name in self._waiting:
            self._clock.end_node(node.name)
            self._waiting.remove(dataset_name)
            if not self._waiting:
                self._print_done(node)

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Node) -> None:
        """Say which node starts."""
        if sys.stderr.isatty():
            print(
                f"  {self._done + 1:>2}/{self._all} {node.name} ...",
                end="\r",
                file=sys.stderr,
                flush=True,
            )
        self._clock.start_node(node.name)

    @hook_impl(trylast=True)
    def after_node_run(self, node: Node, outputs: Mapping[str, Any]) -> None:
        """Say how long it took, unless tables are still to be computed."""
        self._clock.end_node(node.name)
        self._waiting = {name for name, data in outputs.items() if _is_expression(data)}
        if not self._waiting:
            self._print_done(node)

    def _print_done(self, node: Node) -> None:
        seconds = self._clock.nodes[node.name]
        self._done += 1
        print(
            f"  {self._done:>2}/{self._all} {node.name:<42} {seconds:6.1f} s",
            file=sys.stderr,
            flush=True,
        )

    @hook_impl
    def on_node_error(
        self, error: Exception, node: Node, inputs: Mapping[str, Any], catalog: Any
    ) -> None:
        """Say what failed on which data, and how to go on."""
        self._clock.end_node(node.name)
        print_failure(error, node, inputs, catalog, self._resume())
        self._reported = error

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Report what failed outside a node (loading, saving), and keep expected errors short."""
        if self._reported is not error:
            print_stop(error, self._resume())
        leave_out_traceback(error)

    def _resume(self) -> str:
        return resume_command(self._run, self._pipeline, self._saved)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Print the table and the next commands."""
        print_summary(pipeline, catalog, self._clock, self._run, finished=time.time())


def _is_expression(data: Any) -> bool:
    """Whether data is an Ibis table; found without importing Ibis."""
    return type(data).__module__.startswith("ibis.")


def _library_seconds() -> float:
    """Seconds that importing the pipelines took; they are imported by now."""
    registry = sys.modules.get("fin_kedro.pipeline_registry")
    return float(getattr(registry, "LIBRARY_SECONDS", 0.0))
