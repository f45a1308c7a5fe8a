"""Several notebooks at a time, on warm kernels, each apart from the others.

Every kernel is a process of its own behind sockets in a private folder: no port can clash, and
a notebook that fails, hangs or kills its kernel is no other notebook's matter.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fin_kedro.seals.syntax_trees import one_syntax_tree_at_a_time
from sealed_kernel.warm import IMPORTS, WarmHost, kernels, kill_kernels

if TYPE_CHECKING:
    from fin_kedro.reports.execution import ReportResult

__all__ = ["WARM_IMPORTS", "Job", "execute_many"]

# What reports use of this project and of its data; none of it starts a thread (see warm.IMPORTS).
# Not matplotlib_inline's backend: imported before there is a shell, it draws into no cell.
WARM_IMPORTS = (
    *IMPORTS,
    "fairlearn.metrics",
    "ibis.backends.sql.compilers",
    "kedro_datasets.ibis",
    "kedro_datasets.json",
    "omegaconf",
    "onnx",
    "open_data_contract_standard.model",
    "sqlalchemy",
    "fin_kedro.checks",
    "fin_kedro.checks.calibration",
    "fin_kedro.checks.card_calibration",
    "fin_kedro.checks.card_precision",
    "fin_kedro.checks.cards",
    "fin_kedro.checks.data_quality",
    "fin_kedro.checks.detection",
    "fin_kedro.checks.detection_parts",
    "fin_kedro.checks.discrimination",
    "fin_kedro.checks.explanation",
    "fin_kedro.checks.fairness",
    "fin_kedro.checks.leaks",
    "fin_kedro.checks.missing_groups",
    "fin_kedro.checks.money",
    "fin_kedro.checks.parity",
    "fin_kedro.checks.pictures",
    "fin_kedro.checks.profit",
    "fin_kedro.checks.stability",
    "fin_kedro.features.expressions",
    "fin_kedro.storage.datasets",
    "fin_kedro.storage.dataset_state",
    "fin_kedro.reports.display",
    "fin_kedro.project.evidence",
    "fin_kedro.reports.record",
    "fin_kedro.seals.surroundings",
    "fin_kedro.serving.answers",
)
WORKERS = 2
Progress = Callable[[int, int, int], None]
Ended = Callable[[int, "ReportResult"], None]


@dataclass(frozen=True)
class Job:
    """One notebook to run: its parameters, and the other arguments of `execute_notebook`."""

    notebook: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def execute_many(
    jobs: Iterable[Job],
    *,
    workers: int = WORKERS,
    warm: bool = True,
    progress: Progress | None = None,
    ended: Ended | None = None,
    imports: Sequence[str] = WARM_IMPORTS,
) -> list[ReportResult]:
    """Run notebooks, `workers` at a time; the results are in the order of the jobs.

    `warm`: import `imports` once and fork every kernel, unless a warm host runs already or there
    is one job only. `progress` is called with (number of the job from 0, cells done, cells in
    all), `ended` with (number, result) of each job that has ended; neither twice at the same time.
    What a job raises (a notebook that is not there) is its result's `error`; the others go on.
    Ctrl-C ends every kernel of these jobs before it is passed on. Raises ValueError for fewer than
    one worker.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be 1 or more.")
    tasks = [
        _told(_task(job, _numbered(progress, number)), number, ended)
        for number, job in enumerate(jobs)
    ]
    with contextlib.ExitStack() as stack:
        if warm and len(tasks) > 1:
            stack.enter_context(WarmHost(imports, join=True))
        stack.enter_context(one_syntax_tree_at_a_time())
        return _run(tasks, min(workers, len(tasks) or 1))


def _task(job: Job, progress: Callable[[int, int], None] | None) -> Callable[[], ReportResult]:
    """Everything to be done for one job; it never raises an Exception."""

    def run() -> ReportResult:
        # imported here: the warm host imports its own meanwhile
        from fin_kedro.reports.execution import ReportResult, execute_notebook

        try:
            return execute_notebook(
                notebook=Path(job.notebook),
                parameters=job.parameters,
                progress=progress,
                **job.options,
            )
        except Exception as failure:
            error = {"cell": None, "id": None, "line": None}
            words = {"name": type(failure).__name__, "message": str(failure) or "no message"}
            return ReportResult("", "", [], {**error, **words})

    return run


_one_at_a_time = threading.Lock()


def _numbered(progress: Progress | None, number: int) -> Callable[[int, int], None] | None:
    """The callback for one job's cells."""
    if progress is None:
        return None

    def done(cells: int, total: int) -> None:
        with _one_at_a_time:
            progress(number, cells, total)

    return done


def _told(
    task: Callable[[], ReportResult], number: int, ended: Ended | None
) -> Callable[[], ReportResult]:
    """The task, which says when it has ended."""
    if ended is None:
        return task

    def run() -> ReportResult:
        result = task()
        with _one_at_a_time:
            ended(number, result)
        return result

    return run


def _run(tasks: Sequence[Callable[[], ReportResult]], workers: int) -> list[ReportResult]:
    """Run tasks in threads; when this thread is interrupted, end what they have started."""
    others = kernels()
    with ThreadPoolExecutor(workers, thread_name_prefix="notebook") as threads:
        futures: list[Future[ReportResult]] = [threads.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            while wait(futures, timeout=0.1).not_done:  # one may just be starting its kernel
                kill_kernels(kernels() - others)
            raise
