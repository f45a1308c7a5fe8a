"""Execution of notebooks that fails closed, by papermill's engine `fin-kedro`.

Stock papermill passes a misspelt parameter with a log line, and a notebook that calls
`sys.exit(0)` before its checks. Here every such case is an error, and the notebook is kept as far
as it came. Two runs on the same data give the same bytes: no times, durations or random ids.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from papermill.engines import papermill_engines
from papermill.execute import remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from fin_kedro.reports.notebook_mlflow import notebook_run
from fin_kedro.reports.record import MIME, RecordError, read_record
from fin_kedro.reports.report_html import render_html
from fin_kedro.reports.screening import report_screen
from fin_kedro.seals.notebook_seal import (
    LOCATIONS,
    SURROUNDINGS,
    Asked,
    project_of,
    seal_notebook,
    stored_seal,
)
from fin_kedro.seals.seal import stored_patch
from fin_kedro.seals.seal_entries import anchors, enter_notebook
from sealed_kernel.execution import join_streams
from sealed_kernel.fail_closed import check_executed, named
from sealed_kernel.kernel_manager import ReportKernelManager
from sealed_kernel.kernel_name import KERNEL
from sealed_kernel.parameters import (
    INJECTED,
    ParameterError,
    check_parameters,
    declared_parameters,
)
from sealed_kernel.parameters import TAG as PARAMETERS
from sealed_kernel.refusals import KernelRefused, Refused

__all__ = [
    "KERNEL",
    "ReportKernelManager",
    "ReportResult",
    "canonical_notebook",
    "execute_notebook",
    "execute_report",
]

Progress = Callable[[int, int], None]
STARTUP_SECONDS = 60


@dataclass(frozen=True)
class ReportResult:
    """What one execution left: the notebook, its report, its verdicts, and what went wrong.

    `notebook_json` and `html` hold what was executed, also after an error (empty when nothing
    was). `error` is None or {cell, id, line, name, message}: `cell` counts code cells from 1,
    `id` and `line` (its first) name the cell; all three are None when no cell is to blame.
    `verdicts` is empty whenever there is an error. `seal` is None for a report that is part of a
    pipeline's run, whose own seal holds it.
    """

    notebook_json: str
    html: str
    verdicts: list[dict[str, Any]]
    error: dict[str, Any] | None
    seal: dict[str, Any] | None = None


def execute_report(
    *,
    notebook: Path,
    parameters: Mapping[str, Any],
    kernel_name: str = KERNEL,
    timeout: int = 300,
    progress: Progress | None = None,
) -> ReportResult:
    """Run `notebook` with `parameters` in its own folder; never raises for what the notebook does.

    `timeout`: seconds for one cell. `progress` is called with (cells done, cells in all).
    Every parameter must be declared in the cell tagged `parameters`, by the rules of
    `sealed_kernel.parameters`. The last cell must record verdicts.
    Raises FileNotFoundError when the notebook does not exist.
    """
    source = _existing(notebook)
    executed, error = _execute(
        source,
        parameters,
        kernel_name=kernel_name,
        timeout=timeout,
        progress=progress,
        env=parameters.get("env"),
    )
    if executed is None:
        return ReportResult("", "", [], error)
    return _result(canonical_notebook(executed), error, must_record=True)


def execute_notebook(
    *,
    notebook: Path,
    parameters: Mapping[str, Any] | None = None,
    env: str | None = None,
    must_record: bool = False,
    gates: Iterable[str] = (),
    timeout: int = 300,
    progress: Progress | None = None,
    kernel: str | None = None,
    warm: bool | None = None,
    html: bool = True,
    mlflow: bool = False,
) -> ReportResult:
    """Run any notebook in its own folder and seal it; never raises for what the notebook does.

    `env`: the conf environment that `kedro.ipython` opens in the kernel (KEDRO_ENV).
    `must_record`: its last cell must record verdicts, as a report's. `gates`: gates that must be
    reached beside those the notebook declares. `timeout`: seconds for one cell. `kernel`: another
    one than `fin-kedro`. `warm` changes nothing: a kernel is warm when a warm host runs
    (`sealed_kernel.warm`). `html`: render it, too. `mlflow`: log it to the project's MLflow, whose
    import takes seconds.
    The notebook carries its seal without the occasion; `.seal` has both. It is entered in the
    project's ledger (`seal_entries.enter_notebook`). Nothing is sealed when nothing was executed.
    Raises FileNotFoundError when the notebook does not exist.
    """
    del warm
    source, given = _existing(notebook), dict(parameters or {})
    asked = Asked(
        notebook=source,
        project=project_of(source),
        env=env,
        parameters=given,
        started=datetime.now(UTC),
    )
    executed, error = _execute(
        source,
        given,
        kernel_name=kernel or KERNEL,
        timeout=timeout,
        progress=progress,
        needs_parameters_cell=bool(given),
        env=env,
        gates=tuple(gates),
        ask={"environment": SURROUNDINGS.format(project=str(asked.project))},
        variables={"KEDRO_ENV": env} if env else {},
    )
    if executed is None:
        return ReportResult("", "", [], error)
    return _sealed(asked, executed, error, must_record=must_record, html=html, mlflow=mlflow)


def _existing(notebook: Path) -> Path:
    source = Path(notebook)
    if not source.is_file():
        raise FileNotFoundError(f"No notebook at {source}; name one under notebooks/validation.")
    return source


def _execute(
    source: Path,
    parameters: Mapping[str, Any],
    *,
    kernel_name: str,
    timeout: int,
    progress: Progress | None,
    needs_parameters_cell: bool = True,
    **options: Any,
) -> tuple[nbformat.NotebookNode | None, dict[str, Any] | None]:
    """The notebook as far as it came, None when nothing was executed; and the error if any."""
    node = nbformat.read(source, as_version=4)
    node.metadata.setdefault("kernelspec", {"name": KERNEL, "display_name": KERNEL})
    node.metadata.kernelspec.setdefault("language", "python")
    wrong = _parameter_error(node, parameters, source.name, needs_parameters_cell)
    if wrong:
        return None, _error("ParameterError", wrong)
    try:
        screen = report_screen(project_of(source), options.pop("env", None))
    except Exception as failure:  # data that cannot be read cannot be looked for
        return None, _error("ScreeningError", f"{type(failure).__name__}: {failure}")
    # a notebook object, not a path: papermill formats braces in a path
    with quiet_papermill():
        node = remove_error_markers(load_notebook_node(node))
        if parameters:
            node = parameterize_notebook(node, dict(parameters), engine_name=KERNEL)
        error = None
        try:
            papermill_engines.execute_notebook_with_engine(
                KERNEL,
                node,
                kernel_name=kernel_name,
                progress_bar=False,
                start_timeout=STARTUP_SECONDS,
                execution_timeout=timeout,
                resources={"metadata": {"path": str(source.resolve().parent)}},
                progress=progress,
                screen=screen,
                seal=False,  # that is done here, of the notebook in its canonical form
                **options,
            )
        except Refused as refusal:
            return None, _error("Refused", str(refusal))
        except KernelRefused as refusal:
            error = _error("KernelRefused", str(refusal))
        except Exception as failure:  # a dead kernel, a timeout, a kernel that is not there
            error = _error(type(failure).__name__, str(failure) or "no message")
    return node, node.metadata.get("fin_kedro", {}).get("error") or error


def _error(name: str, message: str) -> dict[str, Any]:
    """An error that no cell is to blame for."""
    return {"cell": None, "id": None, "line": None, "name": name, "message": message}


def _parameter_error(
    node: Mapping[str, Any], parameters: Mapping[str, Any], name: str, needs_cell: bool
) -> str:
    """What is wrong with the parameters, before anything runs; "" when nothing is."""
    tagged = [cell for cell in node["cells"] if _has_tag(cell, PARAMETERS)]
    if len(tagged) > 1 or (needs_cell and not tagged):
        return f"{name} has {len(tagged)} cells tagged 'parameters'; it must have exactly one."
    try:
        check_parameters(declared_parameters(node), parameters, notebook=name)
    except ParameterError as error:
        return str(error)
    return ""


def _result(
    canonical: Mapping[str, Any],
    error: dict[str, Any] | None,
    *,
    must_record: bool,
    html: bool = True,
    seal: dict[str, Any] | None = None,
) -> ReportResult:
    """Verdicts, text and page of a canonical notebook."""
    verdicts: list[dict[str, Any]] = []
    if not error:
        verdicts, error = _read(canonical, must_record)
    text = json.dumps(canonical, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    digest = seal["digest"] if seal else None
    page = render_html(canonical, verdicts=verdicts, error=error, seal=digest) if html else ""
    return ReportResult(text, page, verdicts, error, seal)


def _sealed(
    asked: Asked,
    executed: nbformat.NotebookNode,
    error: dict[str, Any] | None,
    *,
    must_record: bool,
    html: bool,
    mlflow: bool,
) -> ReportResult:
    """The result of an execution that carries its seal, which is entered in the ledger."""
    canonical = canonical_notebook(executed)
    if not error:
        _, error = _read(canonical, must_record)
    seal, patch = seal_notebook(asked, executed, error)
    kept: dict[str, Any] = {
        "seal": stored_seal(seal),
        "gates": executed.metadata.get("fin_kedro", {}).get("gates", {}),
    }
    if patch:
        kept["patch"] = stored_patch(patch)
    canonical["metadata"]["fin_kedro"] = kept
    result = _result(canonical, error, must_record=must_record, html=html, seal=seal)
    try:
        return replace(result, seal=_recorded(asked, seal, result.notebook_json, patch, mlflow))
    except Exception as failure:  # a ledger or a server; what was executed is kept
        error = result.error or _error(type(failure).__name__, str(failure))
        return replace(result, error=error, verdicts=[])


def _recorded(
    asked: Asked, seal: dict[str, Any], notebook: str, patch: bytes | None, mlflow: bool
) -> dict[str, Any]:
    """The seal, entered in the project's ledger and, if asked for, logged in MLflow."""
    where: dict[str, Any] = {"project": asked.project, "env": asked.env}
    if not mlflow:
        enter_notebook(seal, **where)
        return seal
    with notebook_run(**where, name=asked.name) as run:
        seal = {**seal, "occasion": {**seal["occasion"], "mlflow_run": run.id}}
        entries = enter_notebook(seal, **where)
        run.log(seal, notebook, patch=patch, anchors=anchors(entries))
    return seal


def _read(
    notebook: Mapping[str, Any], must_record: bool
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The recorded verdicts, or the error that there is no sound record."""
    unsound = check_executed(notebook)
    if unsound:
        where = named(notebook, unsound[0].index)
        return [], {**where, "name": unsound[0].name, "message": unsound[0].message}
    try:
        return read_record(notebook), None
    except RecordError as failure:
        if not must_record and not _has_record(notebook):
            return [], None
        return [], _error("RecordError", str(failure))


def _has_record(notebook: Mapping[str, Any]) -> bool:
    outputs = (o for cell in notebook["cells"] for o in cell.get("outputs", []))
    return any(MIME in output.get("data", {}) for output in outputs)


def canonical_notebook(executed: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook as a plain dict without times, durations, random ids and this run's paths.

    The values of the parameters in LOCATIONS say where the evidence lay, not what it was, and
    differ from run to run; the report names the evidence by its content.
    """
    notebook: dict[str, Any] = json.loads(json.dumps(executed))
    kernel = notebook["metadata"].get("kernelspec", {})
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook["cells"] = [
        cell for cell in notebook["cells"] if not _has_tag(cell, "papermill-error-cell-tag")
    ]
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if INJECTED in tags:
            cell["id"] = INJECTED
            cell["source"] = _without_locations(cell["source"])
        cell.setdefault("id", f"cell-{number}")
        cell["outputs"] = join_streams(cell["outputs"]) if "outputs" in cell else None
        if cell["outputs"] is None:
            del cell["outputs"]
    return notebook


def _without_locations(source: str) -> str:
    """The injected parameters without the values that only say where the evidence lay."""
    lines = source.splitlines()
    hidden = tuple(f"{name} = " for name in LOCATIONS)
    return "\n".join(
        f"# {line.split(' = ')[0]}: given by the run" if line.startswith(hidden) else line
        for line in lines
    )


def _has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether the cell carries `tag`."""
    return tag in cell["metadata"].get("tags", [])


class _Quiet:
    """How many executions want silence now, and the levels to go back to."""

    lock = threading.Lock()
    wanted = 0
    levels: tuple[int, ...] = ()


@contextmanager
def quiet_papermill() -> Iterator[None]:
    """Keep papermill's and the kernel's log lines out of the run's own log, in any thread."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    with _Quiet.lock:
        if _Quiet.wanted == 0:
            _Quiet.levels = tuple(logger.level for logger in loggers)
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
        _Quiet.wanted += 1
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.wanted -= 1
            if _Quiet.wanted == 0:
                for logger, level in zip(loggers, _Quiet.levels, strict=True):
                    logger.setLevel(level)
