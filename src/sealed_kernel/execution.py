"""Execution of a notebook under papermill that fails closed: the work of the engine `fin-kedro`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from papermill.engines import NotebookExecutionManager
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from sealed_kernel.fail_closed import RefusalError, check_before, declared_gates
from sealed_kernel.kernel_manager import ReportKernelManager, kernel_environment
from sealed_kernel.parameters import ParameterError
from sealed_kernel.refusals import Refused
from sealed_kernel.screening import Screen, project_screen
from sealed_kernel.sealer import find_sealer, seal_executed
from sealed_kernel.watched_client import PATIENCE, Progress, WatchedClient


def execute(
    nb: Any,
    kernel_name: str,
    *,
    output_path: str | None = None,
    progress_bar: bool | dict[str, Any] = True,
    log_output: bool = False,
    autosave_cell_every: int = 30,
    screen: Screen | None = None,
    gates: Iterable[str] = (),
    ask: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    variables: Mapping[str, str] | None = None,
    seal: bool = True,
    start_timeout: int = 60,
    execution_timeout: int | None = None,
    **options: Any,
) -> Any:
    """Execute a notebook in place and return it; papermill raises for the error outputs in it.

    `screen`: what no output may show (the project's own by default). `gates`: gates that must be
    reached beside those that the notebook declares. `ask`: expressions for the kernel to answer
    at the end, kept as texts in `metadata["fin_kedro"]["answers"]`. `progress`: called with
    (cells done, cells in all). `variables` are put over the kernel's environment. `seal`: let
    the package that seals, if one is installed (`find_sealer`), seal what was executed. The rest
    is papermill's.
    """
    del autosave_cell_every  # it would save outputs before they are screened
    folder = options.get("resources", {}).get("metadata", {}).get("path") or os.getcwd()
    screen = screen or project_screen(Path(folder).resolve())
    try:
        check_before(nb, screen)
    except (RefusalError, ParameterError) as error:
        raise Refused(str(error)) from error
    nb.metadata.pop("fin_kedro", None)
    sealer = find_sealer(nb, options.get("input_path")) if seal else None
    manager = NotebookExecutionManager(
        nb,
        output_path=output_path,
        progress_bar=progress_bar,
        log_output=log_output,
        autosave_cell_every=0,
    )
    settings = merge_kwargs(
        remove_args(["input_path", "timeout", "startup_timeout"], **options),
        timeout=execution_timeout or options.get("timeout"),
        startup_timeout=start_timeout,
        kernel_name=kernel_name,
        log=logger,
        log_output=log_output,
    )
    settings.setdefault("kernel_manager_class", ReportKernelManager)
    settings.setdefault("iopub_timeout", PATIENCE)
    client = WatchedClient(manager, **settings)
    client.screen, client.progress = screen, progress
    client.asked = {**(ask or {}), **(sealer.ask if sealer else {})}
    client.declared = declared_gates(nb, gates)
    manager.notebook_start()
    try:
        client.execute(env={**kernel_environment(), **(variables or {})})
    finally:
        manager.cleanup_pbar()
        for cell in manager.nb.cells:
            if "outputs" in cell:
                cell.outputs = join_streams(cell.outputs)
        seal_executed(sealer, manager.nb)
        manager.notebook_complete()
    return manager.nb


def join_streams(outputs: Iterable[Any]) -> list[Any]:
    """Outputs with neighbouring chunks of one stream joined: how they are cut depends on timing.

    nbclient's `coalesce_streams` would also move text across the displays that stand between, and
    while a notebook still runs it would move outputs that a display id points at.
    """
    joined: list[Any] = []
    for output in outputs:
        same = joined and output["output_type"] == "stream" == joined[-1]["output_type"]
        if same and output["name"] == joined[-1]["name"]:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined
